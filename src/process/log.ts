/** Log lines. Nothing is loaded and nothing written unless somebody wants to read them: winston costs 35 ms. */

import {createWriteStream, openSync, type WriteStream} from 'node:fs';

export interface Log {
  error(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  debug(message: string, fields?: object): void;
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

const drop = (): void => undefined;
export const silentLog: Log = {error: drop, warn: drop, info: drop, debug: drop, close: () => Promise.resolve()};

export interface LogOptions {
  /** Appended to; null: none. */
  file: string | null;
  /** Also on standard error: the command line was asked to be verbose. */
  stderr: boolean;
  level: 'error' | 'warn' | 'info' | 'debug';
  format: 'json' | 'human';
  /** In every line. */
  job: string;
}

/** @returns a silent log when there is nowhere to write to */
export async function openLog({file, stderr, level, format, job}: LogOptions): Promise<Log> {
  if (file === null && !stderr) return silentLog;
  const {default: winston} = await import('winston');
  const {combine, timestamp, json, printf} = winston.format;
  const human = printf(({timestamp: at, level: name, message, job: id, ...fields}) => {
    const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
    return `${String(at)} ${name} [${String(id)}] ${String(message)}${rest}`;
  });
  // a log never costs a job: what cannot be written is dropped
  const stream = file === null ? null : openStream(file);
  const logger = winston.createLogger({
    level,
    defaultMeta: {job},
    format: combine(timestamp(), format === 'json' ? json() : human),
    transports: [
      ...(stream === null ? [] : [new winston.transports.Stream({stream})]),
      ...(stderr ? [new winston.transports.Console({stderrLevels: ['error', 'warn', 'info', 'debug']})] : []),
    ],
    exitOnError: false,
    silent: stream === null && !stderr,
  });
  logger.on('error', drop);
  const write =
    (name: LogOptions['level']) =>
    (message: string, fields: object = {}): void => {
      logger.log(name, message, fields);
    };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    close: () =>
      new Promise((resolve) => {
        const written = (): void => {
          if (stream === null) resolve();
          else stream.end(resolve);
        };
        logger.on('finish', written);
        logger.end();
        setTimeout(resolve, CLOSE_DEADLINE_MS).unref();
      }),
  };
}

/** A log on a file system that hangs is not waited for. */
const CLOSE_DEADLINE_MS = 1000;

/** Appends to a file; null when it cannot be opened. */
function openStream(file: string): WriteStream | null {
  try {
    const stream = createWriteStream(file, {fd: openSync(file, 'a', 0o644)});
    stream.on('error', drop);
    return stream;
  } catch {
    return null;
  }
}
