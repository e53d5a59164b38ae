/** Log lines. winston, which costs 35 ms, is loaded only where lines are written. */

import {constants, createWriteStream, openSync, writeSync, type WriteStream} from 'node:fs';
import type {Logform, Logger} from 'winston';

/** The log of one job: one line for each call, in order. A line that cannot be written is dropped; only `keep` tells. */
export interface Log {
  error(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  debug(message: string, fields?: object): void;
  /** An error that has to be there: written before this returns. @returns whether the file took it; false without a file */
  keep(message: string, fields?: object): boolean;
  /** Why the file does not take lines, as far as is known by now; null: it does, or there is none. */
  trouble(): string | null;
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

const drop = (): void => undefined;
/** A log that drops every line. */
export const silentLog: Log = {
  error: drop,
  warn: drop,
  info: drop,
  debug: drop,
  keep: () => false,
  trouble: () => null,
  close: () => Promise.resolve(),
};

/** The targets of lines, and the least level. */
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
  const {combine, timestamp, json} = winston.format;
  // a log never costs a job: what cannot be written is dropped, and the first reason kept
  let trouble: string | null = null;
  const failed = (error: unknown): void => {
    trouble ??= `cannot write ${file ?? ''}: ${(error as Error).message}`;
  };
  const descriptor = file === null ? null : openFile(file, failed);
  const stream = file === null || descriptor === null ? null : streamTo(file, descriptor, failed);
  const logger = winston.createLogger({
    level,
    defaultMeta: {job},
    format: combine(timestamp(), format === 'json' ? json() : winston.format.printf(humanLine)),
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
    keep: (message, fields = {}) => descriptor !== null && keepLine({descriptor, format, job, failed}, message, fields),
    trouble: () => trouble,
    close: () => closed(logger, stream),
  };
}

function humanLine({timestamp: at, level: name, message, job: id, ...fields}: Logform.TransformableInfo): string {
  const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
  return `${String(at)} ${name} [${String(id)}] ${String(message)}${rest}`;
}

type Kept = Pick<LogOptions, 'format' | 'job'> & {descriptor: number; failed: (error: unknown) => void};

/** Past winston, which writes later. @returns whether the file took it */
function keepLine({descriptor, format, job, failed}: Kept, message: string, fields: object): boolean {
  const line = {job, level: 'error', message, timestamp: new Date().toISOString(), ...fields};
  try {
    const text = format === 'json' ? JSON.stringify(line) : `${line.timestamp} error [${job}] ${message} ${JSON.stringify(fields)}`;
    writeWhole(descriptor, `${text}\n`);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

const closed = (logger: Logger, stream: WriteStream | null): Promise<void> =>
  new Promise((resolve) => {
    const written = (): void => {
      if (stream === null) resolve();
      else stream.end(resolve);
    };
    logger.on('finish', written);
    logger.end();
    setTimeout(resolve, CLOSE_DEADLINE_MS).unref();
  });

/** A log on a file system that hangs is not waited for. */
const CLOSE_DEADLINE_MS = 1000;

/** Opens a file for appending; null when that fails. Does not block on a named pipe without a reader. */
function openFile(file: string, failed: (error: unknown) => void): number | null {
  try {
    return openSync(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o644);
  } catch (error) {
    failed(error);
    return null;
  }
}

function streamTo(file: string, descriptor: number, failed: (error: unknown) => void): WriteStream {
  const stream = createWriteStream(file, {fd: descriptor});
  stream.on('error', failed);
  return stream;
}

/** On a full disk the kernel takes a part of a line. @throws Error */
function writeWhole(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done);
}
