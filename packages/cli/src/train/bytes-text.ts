const GIB = 2 ** 30;

/** Bytes for people. */
export const bytesText = (n: number): string =>
  n >= GIB ? `${(n / GIB).toFixed(1)} GiB` : `${Math.max(0.1, n / 2 ** 20).toFixed(1)} MiB`;
