/** ARC 7's own accounting prints what fixtures/apel has of it. */

import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/apel/${name}`, import.meta.url));

describe('ARC 7’s Compute Accounting Record', function () {
  this.timeout(patience(60_000));
  it('is the one that ours is compared with', function () {
    need(this, existsSync('/usr/sbin/arcctl') && existsSync('/usr/share/arc/sql-schema'), 'nordugrid-arc-arex is not installed');
    const directory = mkdtempSync(join(tmpdir(), 'tare-arc-'));
    try {
      execFileSync('/usr/bin/python3', [fixture('arc.py'), join(directory, 'ce')]);
      const argv = [
        '-c',
        join(directory, 'ce/arc.conf'),
        'accounting',
        'republish',
        '-b',
        '2026-09-01',
        '-e',
        '2026-10-01',
        '-t',
        'EGI',
        '--dry-run',
      ];
      const {stdout} = spawnSync('/usr/sbin/arcctl', argv, {encoding: 'utf8', timeout: 30_000});
      const xml = stdout
        .split('\n')
        .filter((line) => line.startsWith('<'))
        .join('\n');
      const versionless = (text: string): string =>
        text
          .trim()
          .replace(/createTime="[^"]*"/, '')
          .replaceAll(/(version="|ARC )7\.\d+\.\d+/g, '$1');
      expect(versionless(xml)).to.equal(versionless(readFileSync(fixture('arc7-car.xml'), 'utf8')));
    } finally {
      rmSync(directory, {recursive: true, force: true});
    }
  });
});
