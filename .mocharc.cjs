module.exports = {
  'node-option': ['import=tsx'],
  // what else is in the folders is run by tests, not as one
  extension: ['test.ts'],
  'forbid-only': process.env.CI === 'true',
  'fail-zero': true,
  reporter: 'scripts/mocha-reporter.mjs',
  // a machine can be busy: a test that hangs is seen all the same
  timeout: 20_000,
};
