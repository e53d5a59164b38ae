#!/usr/bin/env node
// Loads the command line. What cannot be loaded cannot say so itself: one line does, as for every file of Tare's own (NOT_BUILT in src/errors.ts).
try {
  await import('./command-line.js');
} catch (error) {
  if (error?.syscall === undefined && error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write(`tare: NOT_BUILT: a part of Tare cannot be read: ${error.message}; install Tare again, or npm run build\n`);
  process.exit(125);
}
