/**
 * TensorBoard's event files: TFRecords of `tensorflow.Event` messages.
 *
 *   record = u64 length | u32 masked CRC-32C of the length | data | u32 masked CRC-32C of the data
 *
 * https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
 * https://www.tensorflow.org/tutorials/load_data/tfrecord
 */
import { bytes, float, int, join, message, sequence, text, type Rope } from "../engine/onnx/proto.ts";
import type { Metrics } from "./metrics.ts";

/** CRC-32C (Castagnoli), one byte at a time. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** The check sum of TFRecords: rotated and shifted, so that sums of sums do not collide. */
const maskedCrc = (data: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of data) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

const record = (data: Uint8Array): Uint8Array => {
  const out = new Uint8Array(data.byteLength + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.byteLength), true);
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.byteLength, maskedCrc(data), true);
  return out;
};

/** A double field: wire type 1. */
const double = (field: number, value: number): Rope => {
  const data = new Uint8Array(9);
  data[0] = field * 8 + 1;
  new DataView(data.buffer).setFloat64(1, value, true);
  return { size: 9, parts: [data] };
};

const WALL_TIME = 1;
const STEP = 2;
const FILE_VERSION = 3;
const SUMMARY = 5;
const VALUE = 1;
const TAG = 1;
const SIMPLE_VALUE = 2;
const METADATA = 9;
const PLUGIN_DATA = 1;
const PLUGIN_NAME = 1;

/** The first record of a file. `seconds` since 1970. */
export const versionRecord = (seconds: number): Uint8Array =>
  record(join(sequence([double(WALL_TIME, seconds), text(FILE_VERSION, "brain.Event:2")])));

const scalar = (name: string, value: number): Rope => {
  const plugin = message(METADATA, [message(PLUGIN_DATA, [text(PLUGIN_NAME, "scalars")])]);
  return message(VALUE, [text(TAG, name), float(SIMPLE_VALUE, value), plugin]);
};

/** One step's scalars as a record; dots in names become slashes, which TensorBoard groups by. */
export const scalarsRecord = (metrics: Metrics, step: number, seconds: number): Uint8Array => {
  const values = Object.entries(metrics).map(([name, value]) => scalar(name.replaceAll(".", "/"), value));
  const summary = bytes(SUMMARY, join(sequence(values)));
  return record(join(sequence([double(WALL_TIME, seconds), int(STEP, step), summary])));
};
