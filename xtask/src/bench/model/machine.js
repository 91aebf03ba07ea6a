// Times the model's forward pass in V8: node machine.js FILE. Prints microseconds per evaluation, one per call.
const EVALUATIONS = 100000;
const WARM_UP = 5;
const CALLS = 30;

const { readFileSync } = require("node:fs");

WebAssembly.instantiate(readFileSync(process.argv[2]), {}).then(({ instance }) => {
  const times = [];
  for (let call = 0; call < WARM_UP + CALLS; call++) {
    const start = process.hrtime.bigint();
    const failed = instance.exports.main(0, 0);
    const nanoseconds = Number(process.hrtime.bigint() - start);
    if (failed) throw new Error("the model did not answer with numbers");
    // V8 starts with quick code and goes over to good code meanwhile, as it does in Envoy.
    if (call >= WARM_UP) times.push(nanoseconds / 1000 / EVALUATIONS);
  }
  console.log(JSON.stringify(times));
});
