/** An AUDITOR server that accepts known clients only, over TLS. */

import {execFileSync, spawnSync} from 'node:child_process';
import {chmodSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createServer, type Server} from 'node:https';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {openAuditor} from '../../../plugins/auditor/exporter.js';
import {exportEffects} from '../../../src/export/effects.js';
import {exportRecords, openExporter, type Tally} from '../../../src/export/export.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {pilot, put} from '../../support/records.js';
import {isRoot} from '../../support/tare.js';

const MAKE = `
set -e
cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
for name in localhost client stranger; do
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout $name.key -out $name.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > $name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
done
openssl req -x509 -key stranger.key -days 2 -subj /CN=stranger -out stranger.pem
chmod 600 *.key
`;

describe('an AUDITOR server with TLS', function () {
  this.timeout(patience(60_000));
  let directory: string | null = null;
  const inside = (name: string): string => join(directory ?? '/nowhere', name);
  let server: Server;
  let url: string;
  let bodies: string[];
  before(async function () {
    need(this, isRoot, 'keys have to be root’s');
    need(this, spawnSync('openssl', ['version']).status === 0, 'there is no openssl');
    directory = mkdtempSync(join(tmpdir(), 'tare-mtls-'));
    execFileSync('/bin/sh', ['-c', MAKE, 'sh', directory], {stdio: 'ignore'});
    const file = (name: string): Buffer => readFileSync(inside(name));
    server = createServer(
      {key: file('localhost.key'), cert: file('localhost.pem'), ca: file('ca.pem'), requestCert: true, rejectUnauthorized: true},
      (request, response) => {
        let body = '';
        request.setEncoding('utf8').on('data', (more: string) => (body += more));
        request.on('end', () => {
          bodies.push(body);
          response.end();
        });
      },
    );
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://localhost:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    if (directory === null) return;
    server.close();
    rmSync(directory, {recursive: true, force: true});
  });
  beforeEach(() => {
    bodies = [];
    rmSync(inside('spool'), {recursive: true, force: true});
    rmSync(inside('own'), {recursive: true, force: true});
    put(inside('spool'), pilot());
  });
  const deliver = async (settings: Record<string, string>): Promise<Tally> => {
    const paths = Object.fromEntries(Object.entries(settings).map(([key, name]) => [key, inside(name)]));
    const opened = openExporter(openAuditor({url, timeout: 5e6, ...paths}, {benchmarks: []}), inside('own'), false, exportEffects);
    return (await exportRecords([inside('spool')], [opened], () => true)).tallies[0]!;
  };

  it('takes records from a client whose certificate it accepts', async () => {
    expect(await deliver({certificate: 'client.pem', key: 'client.key', ca: 'ca.pem'})).to.include({delivered: 1, failed: 0});
    expect(bodies).to.have.length(1);
  });

  it('gets nothing from a client without a certificate, or with one of an unknown authority', async () => {
    expect(await deliver({ca: 'ca.pem'})).to.include({delivered: 0, failed: 1});
    expect(await deliver({certificate: 'stranger.pem', key: 'stranger.key', ca: 'ca.pem'})).to.include({delivered: 0, failed: 1});
    expect(bodies).to.deep.equal([]);
  });

  it('gets no records when no authority has signed its certificate', async () => {
    const tally = await deliver({certificate: 'client.pem', key: 'client.key'});
    expect(tally).to.include({delivered: 0, failed: 1});
    expect(tally.reasons.join()).to.match(/self-signed certificate|unable to verify|unable to get/);
    expect(bodies).to.deep.equal([]);
  });

  it('is not spoken to with a key that others can read; and no message has anything of a key in it', async () => {
    chmodSync(inside('client.key'), 0o644);
    const tally = await deliver({certificate: 'client.pem', key: 'client.key', ca: 'ca.pem'});
    chmodSync(inside('client.key'), 0o600);
    expect(tally.stopped).to.match(/only root can read/);
    expect(tally.stopped).to.not.contain('PRIVATE');
    expect(bodies).to.deep.equal([]);
  });
});
