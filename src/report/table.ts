/** Plain-text tables that fit a terminal. */

import {printable} from '../errors.js';

/** A column of a table. */
export interface Column {
  header: string;
  align?: 'left' | 'right';
  /** May be broken over several lines when the table is too wide. */
  wrap?: boolean;
}

/** How wide a table may be, and whether its heads are bold. */
export interface TableOptions {
  /** Columns of the terminal; Infinity: nothing is broken. */
  width?: number;
  /** Bold headers. Off unless asked for: output is as often read by programs. */
  colour?: boolean;
}

const GAP = '  ';
/** Least width of a wrapped column; with less space the table is wider than the terminal. */
const LEAST_WRAPPED = 16;

/** Writes a table in plain text, columns padded to their widest cell and control characters made visible. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  {width = Infinity, colour = false}: TableOptions = {},
): string {
  const cells = rows.map((row) => columns.map((_, index) => printable(row[index] ?? '')));
  const widths = fit(columns, cells, width);
  const lines = [
    ...layOut(
      columns,
      columns.map(({header}) => header),
      widths,
    ).map((line) => (colour ? `\u001B[1m${line}\u001B[22m` : line)),
    ...cells.flatMap((row) => layOut(columns, row, widths)),
  ];
  return `${lines.join('\n')}\n`;
}

function fit(columns: readonly Column[], cells: readonly (readonly string[])[], width: number): number[] {
  const widths = columns.map(({header}, index) => Math.max(header.length, ...cells.map((row) => (row[index] ?? '').length)));
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const widest = widestWrapped(columns, widths);
    if (widest < 0) break;
    const next = second(columns, widths, widest);
    const taken = Math.min(excess, Math.max(1, (widths[widest] ?? 0) - next));
    widths[widest] = Math.max(LEAST_WRAPPED, (widths[widest] ?? 0) - taken);
    excess -= taken;
  }
  return widths;
}

function widestWrapped(columns: readonly Column[], widths: readonly number[]): number {
  let found = -1;
  for (const [index, {wrap}] of columns.entries()) {
    if (wrap === true && (widths[index] ?? 0) > LEAST_WRAPPED && (found < 0 || (widths[index] ?? 0) > (widths[found] ?? 0))) found = index;
  }
  return found;
}

/** Width of the widest other column that may be wrapped: down to it the widest alone is made narrower. */
function second(columns: readonly Column[], widths: readonly number[], widest: number): number {
  const others = widths.filter((_, index) => index !== widest && columns[index]?.wrap === true);
  return Math.max(LEAST_WRAPPED, ...others.filter((each) => each <= (widths[widest] ?? 0)));
}

function layOut(columns: readonly Column[], row: readonly string[], widths: readonly number[]): string[] {
  const broken = row.map((cell, index) => (columns[index]?.wrap === true ? wrapWords(cell, widths[index] ?? cell.length) : [cell]));
  const height = Math.max(1, ...broken.map((lines) => lines.length));
  return Array.from({length: height}, (_, line) =>
    broken
      .map((lines, index) => pad(lines[line] ?? '', widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join(GAP)
      .trimEnd(),
  );
}

const pad = (text: string, width: number, align: 'left' | 'right'): string =>
  align === 'right' ? text.padStart(width) : text.padEnd(width);

/** Breaks at blanks; a word that is longer than a line is cut. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    while (word.length > width) {
      if (line !== '') lines.push(line);
      line = '';
      lines.push(word.slice(0, width));
      word = word.slice(width);
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** What stands for a value that is not known. */
export const UNKNOWN = '-';
/** A column of numbers. */
export const right = (header: string): Column => ({header, align: 'right'});
/** A value in words, or what stands for an unknown one. */
export const known = (value: number | null, format: (value: number) => string): string => (value === null ? UNKNOWN : format(value));
/** A share of 1 in percent, without the sign; below ten with a decimal. */
export const percent = (share: number): string => (share * 100).toFixed(share < 0.0995 ? 1 : 0);

const LONGEST_NAME = 24;
/** A name that leaves room for the other columns. */
export const clip = (text: string): string => (text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME - 1)}…` : text);
