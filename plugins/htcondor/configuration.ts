/** HTCondor's configuration for Tare: the same text as in configs/htcondor/, which a test compares. Pure. */

export const PARTS = ['node', 'schedd'] as const;
export type Part = (typeof PARTS)[number];

/** @param directory where Tare lies on the nodes: absolute */
export const configuration = (part: Part, directory: string): string =>
  TEXTS[part].replaceAll('/opt/tare', () => directory.replace(/\/+$/, ''));

const TEXTS: Readonly<Record<Part, string>> = {
  node: `# Tare on a worker node: /etc/condor/config.d/60-tare.conf, then condor_reconfig.

# Every job of this node runs in a box. It takes no arguments; the site's rules are in /etc/tare/policy.yaml.
USER_JOB_WRAPPER = /opt/tare/bin/tare-wrap

# A node on which the wrapper fails again and again must not swallow the queue: it asks itself every two minutes, and takes no more jobs
# while the answer is no. How often is too often says the policy (batch.blackHole, then: drain).
STARTD_CRON_JOBLIST = $(STARTD_CRON_JOBLIST) TARE
STARTD_CRON_TARE_EXECUTABLE = /opt/tare/bin/tare
STARTD_CRON_TARE_ARGS = htcondor health
STARTD_CRON_TARE_MODE = Periodic
STARTD_CRON_TARE_PERIOD = 2m
START = ($(START)) && (TareHealthy =!= False)
`,
  schedd: `# Tare on a schedd: /etc/condor/config.d/60-tare.conf, then condor_reconfig.

# A job that the site's policy refused, whose descriptor is wrong, or that went over its memory with oom: hold in the policy, is held with
# the reason in its log, instead of leaving the queue; and a job whose node failed goes back to the queue, a few times, unless its submitter
# removes what was started once (ARC does). The wrapper says so in its last moment, in ChirpTare attributes; these stay for the next attempt,
# hence the comparison. A user's own expressions still count.
JOB_TRANSFORM_NAMES = $(JOB_TRANSFORM_NAMES) Tare
JOB_TRANSFORM_Tare @=end
  REQUIREMENTS JobUniverse == 5
  COPY OnExitHold        WithoutTareOnExitHold
  COPY OnExitHoldReason  WithoutTareOnExitHoldReason
  COPY OnExitHoldSubCode WithoutTareOnExitHoldSubCode
  COPY OnExitRemove      WithoutTareOnExitRemove
  SET TareHold          ChirpTareHold =?= true && ChirpTareAttempt =?= NumJobStarts
  SET TareRunsOnce      regexp("NumJobStarts *> *0", unparse(PeriodicRemove), "i")
  SET TareNodeFailed    ChirpTareStatus =?= "wrapper-failure" && ChirpTareHold =!= true && ChirpTareAttempt =?= NumJobStarts
  SET OnExitHold        TareHold || (WithoutTareOnExitHold ?: false)
  SET OnExitHoldReason  TareHold ? strcat("Tare: ", ChirpTareReason ?: "see ChirpTareStatus") : WithoutTareOnExitHoldReason
  SET OnExitHoldSubCode TareHold ? 1 : WithoutTareOnExitHoldSubCode
  SET OnExitRemove      !(TareNodeFailed && TareRunsOnce =!= true && NumJobStarts < 5) && (WithoutTareOnExitRemove ?: true)
@end
`,
};
