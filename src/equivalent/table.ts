/** The one table of tools that a plan can be written for. */

import type {Tool} from './answers.js';
import {APPTAINER} from './apptainer.js';
import {BWRAP} from './bwrap.js';
import {DOCKER} from './docker.js';
import {LIBVIRT} from './libvirt.js';
import {LXC} from './lxc.js';
import {NSPAWN} from './nspawn.js';
import {OCI} from './oci.js';
import {PODMAN} from './podman.js';
import {SYSTEMD_RUN} from './systemd-run.js';

/** Names of tools, in the order in which people are shown them. */
export const TOOL_NAMES = ['lxc', 'libvirt', 'docker', 'podman', 'oci', 'nspawn', 'bwrap', 'apptainer', 'systemd-run'] as const;
/** A tool that a plan can be written for. */
export type ToolName = (typeof TOOL_NAMES)[number];

/** Row of each tool. */
export const TOOLS: Readonly<Record<ToolName, Tool>> = {
  lxc: LXC,
  libvirt: LIBVIRT,
  docker: DOCKER,
  podman: PODMAN,
  oci: OCI,
  nspawn: NSPAWN,
  bwrap: BWRAP,
  apptainer: APPTAINER,
  'systemd-run': SYSTEMD_RUN,
};
