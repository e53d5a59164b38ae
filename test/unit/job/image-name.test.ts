import {expect} from 'chai';
import {isImageName, plainName, wholeName} from '../../../src/job/image-name.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('the name of an image', () => {
  const rows: [written: string, whole: string | null][] = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['atlas/centos7', 'docker.io/atlas/centos7:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['registry.example.org/atlas/sub/el9:v1_2.3-x', 'registry.example.org/atlas/sub/el9:v1_2.3-x'],
    ['registry:5000/el9', 'registry:5000/el9:latest'],
    ['localhost/box:1', 'localhost/box:1'],
    [`el9@${DIGEST}`, `docker.io/library/el9@${DIGEST}`],
    [`el9:1@${DIGEST}`, `docker.io/library/el9:1@${DIGEST}`],
    ['a__b/c--d.e', 'docker.io/a__b/c--d.e:latest'],
    ...[
      ...[
        '',
        'Busybox',
        'a:',
        'a:-b',
        'a:b:c',
        '-a',
        '--format',
        'a//b',
        '/a',
        'a/',
        'a b',
        'a\nb',
        'a_.b',
        'a@sha256:1',
        `a@${DIGEST}@${DIGEST}`,
      ],
      ...['reg.example/..', 'reg.example/../b', 'a$b', '*', 'registry:port/a', 'a'.repeat(256), `a:${'b'.repeat(129)}`],
    ].map((wrong): [string, null] => [wrong, null]),
  ];
  for (const [written, whole] of rows)
    it(`${JSON.stringify(written.slice(0, 40))} is ${whole ?? 'none'}`, () => {
      expect(wholeName(`docker://${written}`)).to.equal(whole === null ? null : `docker://${whole}`);
      if (whole !== null) expect(wholeName(`docker://${whole}`)).to.equal(`docker://${whole}`);
    });

  it('is told from a path', () => {
    expect(['docker://a', '/docker:/a', 'docker:/a', 'a'].map(isImageName)).to.deep.equal([true, false, false, false]);
    expect(plainName('docker://a/b:1')).to.equal('a/b:1');
    expect(wholeName('/a')).to.equal(null);
  });
});
