/** For which processors a program is, and whether this node is one: the ELF header, and the names that images go by. */

import {arch, endianness} from 'node:os';

/** e_machine of elf.h, with the byte order where one number stands for two, to the name that Go (and so OCI) has for it. */
const MACHINES: Readonly<Record<string, string>> = {
  '3': '386',
  '40': 'arm',
  '62': 'amd64',
  '183': 'arm64',
  '243': 'riscv64',
  '21 LE': 'ppc64le',
  '21 BE': 'ppc64',
  '22': 's390x',
};
const OURS: Readonly<Record<string, string>> = {x64: 'amd64', ia32: '386', ppc64: endianness() === 'LE' ? 'ppc64le' : 'ppc64'};
/** Programs of these run too. */
const ALSO: Readonly<Record<string, string>> = {amd64: '386', arm64: 'arm'};

/** This node's, as Go calls it. */
export const nodeArchitecture = (): string => OURS[arch()] ?? arch();

/** Whether this node executes programs of an architecture, in Go's names (amd64, arm64, 386). */
export const runsHere = (architecture: string): boolean => {
  const ours = nodeArchitecture();
  return architecture === ours || architecture === ALSO[ours];
};

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const HEADER = 20;

/** The architectures of all ELF headers in some bytes, which are the beginnings of programs, one after the other. */
export function architecturesIn(bytes: Buffer): string[] {
  const found = new Set<string>();
  for (let at = bytes.indexOf(MAGIC); at >= 0 && at + HEADER <= bytes.length; at = bytes.indexOf(MAGIC, at + 1)) {
    const isLittle = bytes[at + 5] === 1;
    const machine = isLittle ? bytes.readUInt16LE(at + 18) : bytes.readUInt16BE(at + 18);
    found.add(MACHINES[String(machine)] ?? MACHINES[`${String(machine)} ${isLittle ? 'LE' : 'BE'}`] ?? `machine ${String(machine)}`);
  }
  return [...found];
}

/** Programs that nearly every image has, as plain files and not as links. */
export const WELL_KNOWN: readonly string[] = [
  ...['bin/bash', 'bin/dash', 'bin/busybox', 'bin/sh', 'bin/ls', 'bin/cat', 'bin/env'].flatMap((path) => [path, `usr/${path}`]),
  'usr/bin/coreutils',
];
