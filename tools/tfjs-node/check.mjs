// Loads the binding that build.sh made and compares what it computes with the pure JavaScript backend.
// Prints one line per check; exits with 1 when one fails, with 0 and "skipped" when nothing was built.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import util from "node:util";

const cache = process.env.TFJS_NODE_CACHE ?? new URL("../../.cache/tfjs-node", import.meta.url).pathname;
const app = `${cache}/app/package.json`;
if (!existsSync(`${cache}/app/node_modules/@tensorflow/tfjs-node/lib`)) {
  console.log(`skipped: nothing is built in ${cache}; run tools/tfjs-node/build.sh`);
  process.exit(0);
}

// tfjs-node 4.22.0 still calls this function; Node 23 removed it (tensorflow/tfjs pull request 8425, not released).
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
const tf = createRequire(app)("@tensorflow/tfjs-node");

const failures = [];
const check = (name, worst, limit) => {
  const passed = worst <= limit; // false for NaN
  if (!passed) failures.push(name);
  console.log(`${passed ? "ok  " : "FAIL"} ${name}: largest difference ${worst.toExponential(2)} (limit ${limit})`);
};

const on = (backend, work) => {
  tf.setBackend(backend);
  const tensors = tf.tidy(work);
  const values = tensors.map((tensor) => Float32Array.from(tensor.dataSync()));
  tf.dispose(tensors);
  return values;
};

const compare = (name, work, limit = 1e-5) => {
  const [native, plain] = [on("tensorflow", work), on("cpu", work)];
  let worst = native.length === plain.length ? 0 : Infinity;
  native.forEach((values, k) => {
    if (values.length !== plain[k].length) worst = Infinity;
    values.forEach((value, i) => {
      const difference = Math.abs(value - plain[k][i]) / (1 + Math.abs(plain[k][i]));
      worst = Number.isNaN(difference) ? NaN : Math.max(worst, difference);
    });
  });
  check(name, worst, limit);
};

const rand = (shape, seed) => tf.randomNormal(shape, 0, 1, "float32", seed);
tf.setBackend("tensorflow");
console.log(`node ${process.version}, libtensorflow ${tf.backend().binding.TF_Version}, backend ${tf.getBackend()}`);

compare("matMul", () => [tf.matMul(rand([3, 65, 33], 1), rand([3, 33, 17], 2))]);
compare("matMul transposed", () => [tf.matMul(rand([2, 33, 65], 1), rand([2, 17, 33], 2), true, true)]);
compare("softmax, logSoftmax", () => [tf.softmax(rand([7, 50], 3)), tf.logSoftmax(rand([7, 50], 3))]);
compare("element-wise", () => {
  const x = rand([100], 4);
  return [x.exp(), x.abs().log(), x.sigmoid(), x.tanh(), x.abs().rsqrt(), x.maximum(0), x.square(), x.sin(), x.cos()];
});
compare("gather, oneHot, concat, slice, tile, cumsum", () => {
  const x = rand([6, 5], 5);
  const ids = tf.tensor1d([5, 0, 0, 3], "int32");
  return [
    x.gather(ids),
    tf.oneHot(ids, 6),
    tf.concat([x, x], 1),
    x.slice([1, 2], [3, 2]),
    x.tile([2, 1]),
    tf.cumsum(x, 1),
  ];
});
compare("topk, argMax, where, comparisons", () => {
  const x = rand([4, 9], 6);
  return [tf.topk(x, 3).values, x.argMax(1), tf.where(x.greater(0), x, x.neg()), x.lessEqual(0).logicalAnd(x.less(-1))];
});
compare("gradients of softmax cross-entropy, gather and matMul", () => {
  const [table, weight] = [rand([11, 8], 7), rand([8, 11], 8)];
  const ids = tf.tensor1d([1, 4, 4, 10], "int32");
  const loss = (t, w) => {
    const logp = tf.logSoftmax(tf.matMul(tf.gather(t, ids), w));
    return tf.neg(tf.sum(tf.mul(logp, tf.oneHot(ids, 11))));
  };
  return tf.grads(loss)([table, weight]);
});

tf.setBackend("tensorflow");
const before = tf.memory().numTensors;
const target = [1, -2, 3, 0.5];
const [x, w] = [rand([64, 4], 9), tf.tidy(() => tf.variable(tf.zeros([4, 1])))];
const y = tf.tidy(() => tf.matMul(x, tf.tensor2d(target, [4, 1])));
const adam = tf.train.adam(0.1);
for (let step = 0; step < 300; step++) adam.minimize(() => tf.mean(tf.squaredDifference(tf.matMul(x, w), y)));
check("300 steps of Adam find the weights", Math.max(...w.dataSync().map((v, i) => Math.abs(v - target[i]))), 1e-2);
tf.dispose([x, y, w]);
adam.dispose();
check("tensors left over", tf.memory().numTensors - before, 0);

const big = rand([1024, 1024], 1);
tf.matMul(big, big).dataSync();
const start = performance.now();
const rounds = 10;
for (let i = 0; i < rounds; i++) {
  const product = tf.matMul(big, big); // not in tidy, which would walk through a million returned numbers
  product.dataSync();
  product.dispose();
}
const seconds = (performance.now() - start) / 1e3;
console.log(`matMul 1024^3: ${((rounds * 2 * 1024 ** 3) / seconds / 1e9).toFixed(0)} GFLOP/s on ${cpus().length} CPUs`);

if (failures.length > 0) console.error(`failed: ${failures.join(", ")}`);
process.exit(failures.length > 0 ? 1 : 0);
