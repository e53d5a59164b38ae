import {createServer, type Server, type Socket} from 'node:net';
import {expect} from 'chai';
import {readChirpConfig, setJobAttributes, type Attributes} from '../../../plugins/htcondor/chirp.js';
import {effects} from './effects.js';

const COOKIE = 'hxcayzjuyfuokjjqzdbtovpbzqgbkoe';

/** What the fake does with a line: says something, or whatever it likes with the socket. */
type Behaviour = (line: string, socket: Socket) => string | null;

/** A fake of the starter's proxy that answers as HTCondor 23.9 did, unless it is told otherwise. */
class FakeStarter {
  readonly lines: string[] = [];
  #port = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(behave: Behaviour = (line) => (line.startsWith('cookie ') && line !== `cookie ${COOKIE}` ? '-1\n' : '0\n')) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      let received = '';
      socket.on('error', () => undefined).setEncoding('latin1');
      socket.on('data', (text: string) => {
        received += text;
        for (let at = received.indexOf('\n'); at !== -1; at = received.indexOf('\n')) {
          const line = received.slice(0, at);
          received = received.slice(at + 1);
          this.lines.push(line);
          const answer = behave(line, socket);
          if (answer !== null) socket.write(answer);
        }
      });
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    const address = this.#server.address();
    if (address !== null && typeof address !== 'string') this.#port = address.port;
    return this;
  }

  get config(): string {
    return `127.0.0.1 ${this.#port} ${COOKIE}`;
  }

  /** Of the expressions that came, without Chirp's own escapes. */
  get expressions(): string[] {
    return this.lines.slice(1).map((line) => line.replace(/^set_job_attr_delayed \S+ /, '').replaceAll(/\\(.)/g, '$1'));
  }

  get openConnections(): number {
    return [...this.#sockets].filter((socket) => !socket.destroyed).length;
  }

  stop() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

describe('attributes through Chirp', () => {
  let starter: FakeStarter;
  afterEach(() => starter.stop());

  async function set(attributes: Attributes, behave?: Behaviour): Promise<string[]> {
    starter = await new FakeStarter(behave).start();
    return setJobAttributes(starter.config, attributes, effects());
  }

  it('are set one after the other, after the cookie', async () => {
    const remarks = await set({ChirpTareStatus: 'completed', ChirpTareWallUsec: 7_200_000_000, ChirpTareFine: true, ChirpTareReason: null});
    expect(remarks).to.deep.equal([]);
    expect(starter.lines).to.deep.equal([
      `cookie ${COOKIE}`,
      'set_job_attr_delayed ChirpTareStatus "completed"',
      'set_job_attr_delayed ChirpTareWallUsec 7200000000',
      'set_job_attr_delayed ChirpTareFine true',
      'set_job_attr_delayed ChirpTareReason undefined',
    ]);
  });

  it('leave no connection open', async () => {
    await set({ChirpA: 1});
    await new Promise((done) => setTimeout(done, 20));
    expect(starter.openConnections).to.equal(0);
  });

  const texts: [string, string][] = [
    ['', '""'],
    ['a b', '"a b"'],
    ['a "b", c | d \\ e', '"a \'b\'; c / d / e"'],
    ['tab\tline\nend\r\nNUL\0DEL\x7f', '"tab line end  NUL?DEL?"'],
    ['the slot’s é “x”', "\"the slot's ? 'x'\""],
    ['"; error(1)', '"\'; error(1)"'],
  ];
  for (const [text, expression] of texts) {
    it(`are for the string ${JSON.stringify(text)} the literal ${expression}`, async () => {
      await set({ChirpA: text});
      expect(starter.lines).to.have.length(2);
      expect(starter.expressions).to.deep.equal([expression]);
    });
  }

  it('escape each space for Chirp', async () => {
    await set({ChirpA: ' a  b '});
    expect(starter.lines[1]).to.equal(String.raw`set_job_attr_delayed ChirpA "\ a\ \ b\ "`);
  });

  it('are cut off at 900 characters', async () => {
    await set({ChirpA: 'x '.repeat(5000), ChirpB: 'y'.repeat(898), ChirpC: 'z'.repeat(899)});
    const [a, b, c] = starter.expressions;
    expect([a!.length, b!.length, c!.length]).to.deep.equal([900, 900, 900]);
    expect(a!.endsWith('..."')).to.equal(true);
    expect(b).to.equal(`"${'y'.repeat(898)}"`);
    expect(c!.endsWith('z..."')).to.equal(true);
  });

  it('are not more than 32', async () => {
    const remarks = await set(Object.fromEntries(Array.from({length: 34}, (_, index) => [`ChirpA${index}`, index])));
    expect(starter.lines).to.have.length(33);
    expect(remarks).to.deep.equal(['Chirp: ChirpA32 is one too many', 'Chirp: ChirpA33 is one too many']);
  });

  it('have a name that HTCondor takes, and whole numbers', async () => {
    const remarks = await set({
      Owner: 'root',
      'ChirpA 5\nset_job_attr B': 1,
      Chirp: 1,
      ChirpHalf: 0.5,
      ChirpNaN: NaN,
      ChirpBig: 2 ** 53,
      ChirpB: -1,
    });
    expect(remarks).to.have.length(6);
    expect(starter.lines.slice(1)).to.deep.equal(['set_job_attr_delayed ChirpB -1']);
  });

  it('that are turned down are remarked on, and the others set', async () => {
    const remarks = await set({ChirpA: 1, ChirpB: 2, ChirpC: 3}, (line) =>
      line.includes('ChirpB') ? '1\n' : line.includes('ChirpC') ? '-127\n' : '0\n',
    );
    expect(remarks).to.deep.equal(['Chirp: ChirpB was not taken (1)', 'Chirp: ChirpC was not taken (-127)']);
    expect(starter.lines).to.have.length(4);
  });

  const troubles: [string, Behaviour, string][] = [
    ['turns down the cookie', () => '-1\n', 'Chirp: the cookie was turned down (-1); 2 of 2 attributes not set'],
    [
      'talks garbage',
      () => `HTTP/1.1 400 ${'x'.repeat(100)}\r\n`,
      'Chirp: the answer to the cookie is no number: "HTTP/1.1 400 xxxxxxxxxxxxxxxxxxxxxxxxxxx"; 2 of 2 attributes not set',
    ],
    [
      'closes in between',
      (line, socket) => {
        if (!line.includes('ChirpB')) return '0\n';
        socket.destroy();
        return null;
      },
      'Chirp: no answer to ChirpB; 1 of 2 attributes not set',
    ],
  ];
  for (const [what, behave, remark] of troubles) {
    it(`are not set by a starter that ${what}`, async () => {
      expect(await set({ChirpA: 1, ChirpB: 2}, behave)).to.deep.equal([remark]);
    });
  }

  const slow: [string, Behaviour][] = [
    ['is silent', () => null],
    [
      'sends a byte now and then',
      (_, socket) => {
        const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('0')), 50);
        return null;
      },
    ],
    [
      'is slow to answer each',
      (_, socket) => {
        setTimeout(() => socket.write('0\n'), 300);
        return null;
      },
    ],
  ];
  for (const [what, behave] of slow) {
    it(`are given up after a second when the starter ${what}`, async () => {
      const began = performance.now();
      const remarks = await set({ChirpA: 1, ChirpB: 2, ChirpC: 3, ChirpD: 4}, behave);
      expect(performance.now() - began).to.be.within(900, 1300);
      expect(remarks).to.have.length(1);
      expect(remarks[0]).to.match(/^Chirp: .*; [1-4] of 4 attributes not set$/);
    });
  }

  it('are given up at once when the starter sends no end of garbage', async () => {
    const remarks = await set({ChirpA: 1}, (_, socket) => (socket.write('x'.repeat(1e6)), null));
    expect(remarks[0]).to.match(/^Chirp: no answer to the cookie; 1 of 1 attributes not set$/);
  });

  it('are not set when no starter listens', async () => {
    starter = await new FakeStarter().start();
    starter.stop();
    const remarks = await setJobAttributes(starter.config, {ChirpA: 1}, effects());
    expect(remarks).to.have.length(1);
    expect(remarks[0]).to.match(/^Chirp: connect ECONNREFUSED .*; 1 of 1 attributes not set$/);
  });

  it('are given up when the time is over, whatever the connection says', async () => {
    starter = await new FakeStarter().start();
    let now = 0;
    const remarks = await setJobAttributes(starter.config, {ChirpA: 1, ChirpB: 2}, {...effects(), monotonicMs: () => (now += 400)});
    expect(remarks).to.deep.equal(['Chirp: not done within 1000 ms; 1 of 2 attributes not set']);
  });

  for (const config of ['', 'host', 'host port cookie', '127.0.0.1 123456 c', '127.0.0.1 5 c extra', '127.0.0.1 5\nc\nx']) {
    it(`need a configuration, which ${JSON.stringify(config)} is not`, async () => {
      starter = await new FakeStarter().start();
      expect(await setJobAttributes(config, {ChirpA: 1}, effects())).to.deep.equal(['Chirp: its configuration is not `host port cookie`']);
    });
  }
});

describe('the configuration of Chirp', () => {
  const environment = {_CONDOR_SCRATCH_DIR: '/scratch', _CONDOR_CHIRP_CONFIG: '/elsewhere/.chirp.config'};
  const files = {'/elsewhere/.chirp.config': 'a', '/scratch/.chirp.config': 'b', '/scratch/chirp.config': 'c'};

  it('is where the environment says', () => expect(readChirpConfig(environment, effects(files))).to.equal('a'));

  it('is in the scratch directory otherwise, with and without a dot', () => {
    const {_CONDOR_SCRATCH_DIR} = environment;
    expect(readChirpConfig({_CONDOR_SCRATCH_DIR}, effects(files))).to.equal('b');
    expect(readChirpConfig(environment, effects({'/scratch/chirp.config': 'c'}))).to.equal('c');
  });

  it('need not be there', () => {
    expect(readChirpConfig(environment, effects())).to.equal(null);
    expect(readChirpConfig({}, effects({'/.chirp.config': 'x', '/chirp.config': 'x'}))).to.equal(null);
  });
});
