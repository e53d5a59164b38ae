module.exports = {
  'node-option': ['import=tsx'],
  extension: ['ts'],
  'forbid-only': process.env.CI === 'true',
  'fail-zero': true,
  reporter: 'scripts/mocha-reporter.mjs',
  timeout: 2000,
};
