// Which entries load here by `require`, and what a user reads where one does not.
const outcomes = {};
for (const entry of process.argv.slice(2)) {
  try {
    outcomes[entry] = Object.keys(require(`@tooloo/resilience/${entry}`)).length > 0;
  } catch (error) {
    outcomes[entry] = `${error.code}: ${error.message}`;
  }
}
console.log(JSON.stringify(outcomes));
