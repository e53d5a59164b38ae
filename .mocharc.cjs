module.exports = {
  'node-option': ['import=tsx'],
  // what else is in the folders is run by tests, not as one
  extension: ['test.ts'],
  'forbid-only': process.env.CI === 'true',
  'fail-zero': true,
  reporter: 'scripts/mocha-reporter.mjs',
  timeout: 2000,
};
