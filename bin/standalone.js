// The one entry of the compiled program. The shim calls it for tare-wrap with its mark and nothing after that,
// and then nothing of the command line is loaded.
const [mark = '', ...rest] = process.argv.slice(2);
if (mark.startsWith('@shim=') && rest.length === 0) await import('../build/src/wrap.js');
else await import('./standalone-commands.js');
