/** What exporters may do to the world. */

import {fstatSync, linkSync, readFileSync, rmSync} from 'node:fs';
import {request as requestPlain} from 'node:http';
import {request as requestTls} from 'node:https';
import type {ExportEffects, HttpRequest} from '@tare/contract';
import {ifThere} from '../errors.js';
import {makeDirectory, PLAIN, syncDirectory, withFile, writeAndSync, writeDurably} from '../record/durable.js';

/** @param own the exporter's directory */
export function exportEffects(own: string): ExportEffects {
  return {
    own,
    readText: (path) => ifThere(() => readFileSync(path, 'utf8')),
    readSecret,
    makeDirectory: (path) => makeDirectory(path, 0o755),
    replace: writeDurably,
    create: writeAndSync,
    link: linkSync,
    remove: (path) => rmSync(path),
    syncDirectory,
    nowUs: () => Date.now() * 1000,
    request,
  };
}

const readSecret = (path: string): string =>
  withFile(path, PLAIN, (descriptor) => {
    const stats = fstatSync(descriptor);
    const others = stats.mode & 0o077;
    if (!stats.isFile() || stats.uid !== 0 || others !== 0) {
      throw new Error(
        `${path}: a secret must be a file of root’s that only root can read; found owner ${String(stats.uid)}, mode ${(stats.mode & 0o7777).toString(8)}; chown root ${path}; chmod 600 ${path}`,
      );
    }
    return readFileSync(descriptor, 'utf8');
  });

/** An answer longer than this is no answer of a server that takes records. */
const LONGEST_ANSWER = 64 * 1024;

function request({method, url, headers, body, timeoutMs, tls}: HttpRequest): Promise<{status: number; body: string}> {
  return new Promise((resolve, reject) => {
    const isTls = url.startsWith('https:');
    const options = {
      method,
      headers: {...headers, 'content-length': String(Buffer.byteLength(body))},
      agent: false,
      ...(isTls && tls.certificate !== null ? {cert: tls.certificate} : {}),
      ...(isTls && tls.key !== null ? {key: tls.key} : {}),
      ...(isTls && tls.ca !== null ? {ca: tls.ca} : {}),
    };
    const sent = (isTls ? requestTls : requestPlain)(url, options, (answer) => {
      const parts: Buffer[] = [];
      let length = 0;
      answer.on('data', (part: Buffer) => {
        length += part.length;
        if (length > LONGEST_ANSWER) sent.destroy(new Error(`the answer is longer than ${String(LONGEST_ANSWER)} bytes`));
        else parts.push(part);
      });
      answer.on('error', fail);
      // a connection that broke in the middle of an answer ends it as well
      answer.on('aborted', () => fail(new Error('the connection broke in the middle of the answer')));
      answer.on('end', () => {
        if (!answer.complete) return;
        clearTimeout(timer);
        resolve({status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8')});
      });
    });
    // one time for everything: a server that sends a byte now and then would keep a timer of idleness from ever running out
    const timer = setTimeout(() => sent.destroy(new Error(`no answer in ${String(timeoutMs / 1000)} s`)), timeoutMs);
    function fail(error: Error): void {
      clearTimeout(timer);
      reject(error);
    }
    sent.on('error', fail);
    sent.end(body);
  });
}
