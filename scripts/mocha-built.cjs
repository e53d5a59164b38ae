// Of suites, whose tests are JavaScript already (built-tests.mjs).
const {'node-option': _, ...others} = require('../.mocharc.cjs');
module.exports = {...others, extension: ['test.js']};
