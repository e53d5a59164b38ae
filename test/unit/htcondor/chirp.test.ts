import {expect} from 'chai';
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net';
import {setJobAttributes} from '../../../plugins/htcondor/chirp.js';
import {effects} from '../../../src/batch/effects.js';

/** Stands in for the starter's Chirp proxy: answers each line as it is told to. */
class FakeProxy {
  readonly lines: string[] = [];
  private readonly server: Server;
  constructor(answer: (line: string, socket: Socket) => void) {
    this.server = createServer((socket) => {
      let text = '';
      socket.on('error', () => undefined);
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) {
          this.lines.push(line);
          answer(line, socket);
        }
      });
    });
  }
  async config(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1 ${String((this.server.address() as AddressInfo).port)} c00kie\n`;
  }
  close(): void {
    this.server.close();
  }
}

async function told(answer: (line: string, socket: Socket) => void, figures: Record<string, number | string>) {
  const proxy = new FakeProxy(answer);
  const began = performance.now();
  const remarks = await setJobAttributes(
    await proxy.config(),
    figures,
    effects(() => undefined),
  );
  proxy.close();
  return {remarks, lines: proxy.lines, ms: performance.now() - began};
}
const well = (_: string, socket: Socket) => socket.write('0\n');

describe('Chirp', () => {
  it('sets each attribute, as a number or a quoted string that survives both syntaxes', async () => {
    const {remarks, lines} = await told(well, {ChirpTareWallUs: 12, ChirpTareReason: 'over "memory", a\\b|c\nü'});
    expect(remarks).to.deep.equal([]);
    expect(lines).to.deep.equal([
      'cookie c00kie',
      'set_job_attr_delayed ChirpTareWallUs 12',
      `set_job_attr_delayed ChirpTareReason "over\\ 'memory';\\ a'b;c??"`,
    ]);
  });

  it('cuts what is too long', async () => {
    const {lines} = await told(well, {ChirpTareReason: 'x'.repeat(2000)});
    expect(lines[1]).to.have.length('set_job_attr_delayed ChirpTareReason ""'.length + 900);
  });

  it('says what was refused', async () => {
    const {remarks} = await told((line, socket) => socket.write(line.includes('B') ? '-1\n' : '0\n'), {A: 1, B: 2, C: 3});
    expect(remarks).to.deep.equal(['B was answered with -1']);
    expect((await told((_, socket) => socket.write('-1\n'), {A: 1})).remarks).to.deep.equal(['the cookie was not accepted']);
  });

  const bad: [title: string, answer: (line: string, socket: Socket) => void][] = [
    ['silence', () => undefined],
    ['half a line', (_, socket) => socket.write('0')],
    ['a torrent', (_, socket) => socket.write('x'.repeat(1e6))],
    ['an end', (_, socket) => socket.end()],
    ['a reset', (_, socket) => socket.destroy()],
  ];
  for (const [title, answer] of bad) {
    it(`costs little more than a second at most: ${title}`, async () => {
      const {remarks, ms} = await told(answer, {A: 1});
      expect(remarks).to.have.length(1);
      expect(ms).to.be.below(1500);
    });
  }

  it('does without a proxy, or with a configuration that is none', async () => {
    const none = effects(() => undefined);
    expect(await setJobAttributes('127.0.0.1 1 x', {A: 1}, none)).to.have.length(1);
    for (const config of ['', 'host', 'host port cookie', 'host 12'])
      expect(await setJobAttributes(config, {A: 1}, none)).to.have.length(1);
  });
});
