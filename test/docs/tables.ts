/** Tables of the documents, for tests that hold them to what they tell of. */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import MarkdownIt from 'markdown-it';

export const checkout = join(import.meta.dirname, '../..');
export const contentOf = (name: string): string => readFileSync(join(checkout, name), 'utf8');

/** The rows of the first table below a heading, without its head; each cell as it is written. */
export function tableBelow(page: string, heading: string): string[][] {
  const tokens = new MarkdownIt().parse(contentOf(page), {});
  const start = tokens.findIndex(
    ({type, content}, index) => type === 'inline' && content === heading && tokens[index - 1]?.type === 'heading_open',
  );
  expect(start, `${page} has no heading "${heading}"`).to.be.at.least(0);
  const body = tokens.slice(tokens.findIndex(({type}, index) => index > start && type === 'tbody_open'));
  const rows: string[][] = [];
  for (const {type, content} of body.slice(
    0,
    body.findIndex((token) => token.type === 'tbody_close'),
  )) {
    if (type === 'tr_open') rows.push([]);
    else if (type === 'inline') rows.at(-1)?.push(content);
  }
  return rows;
}

/** What a cell has between backticks. */
export const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
