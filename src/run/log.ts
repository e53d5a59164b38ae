/** Log lines. Nothing is loaded and nothing written unless somebody wants to read them: winston costs 35 ms. */

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
  const logger = winston.createLogger({
    level,
    defaultMeta: {job},
    format: combine(timestamp(), format === 'json' ? json() : human),
    transports: [
      ...(file === null ? [] : [new winston.transports.File({filename: file, options: {flags: 'a', mode: 0o644}})]),
      ...(stderr ? [new winston.transports.Console({stderrLevels: ['error', 'warn', 'info', 'debug']})] : []),
    ],
    exitOnError: false,
  });
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
        logger.on('finish', resolve);
        logger.end();
      }),
  };
}
