/** HTCondor's configuration for Tare: the same text as in configs/htcondor/, which a test compares. Pure. */

import {healthProgram} from './health-program.js';

/** Parts of HTCondor's configuration that there is a file for. */
export const PARTS = ['node', 'schedd', 'cron'] as const;
/** Whose configuration it is: the worker node's, the schedd's, or the startd's cron job. */
export type Part = (typeof PARTS)[number];

/** @param directory where Tare lies on the nodes: absolute */
export const configuration = (part: Part, directory: string): string =>
  TEXTS[part].replaceAll('/opt/tare', () => directory.replace(/\/+$/, ''));

const TEXTS: Readonly<Record<Part, string>> = {
  node: `# Tare on a worker node: /etc/condor/config.d/60-tare-node.conf, then condor_reconfig.

# Every job of this node runs in a box. It takes no arguments; the site's rules are in /etc/tare/policy.yaml.
USER_JOB_WRAPPER = /opt/tare/bin/tare-wrap

# A node on which the wrapper cannot work must not swallow the queue. The startd asks this program, which lies outside Tare's folder and so
# notices when the folder is gone, and starts no job unless the last answer is "healthy" and fresh. Running jobs stay.
# The program: tare htcondor config --for cron > /usr/libexec/condor/tare-health; chmod 755 /usr/libexec/condor/tare-health
TARE_HEALTH_PROGRAM = /usr/libexec/condor/tare-health
# Seconds between two answers, and how long an answer counts, and what root's timer found: three periods.
TARE_HEALTH_PERIOD = 20
TARE_HEALTH_OLDEST = 60
STARTD_CRON_JOBLIST = $(STARTD_CRON_JOBLIST) TARE
STARTD_CRON_TARE_EXECUTABLE = $(TARE_HEALTH_PROGRAM)
STARTD_CRON_TARE_ARGS = /opt/tare /var/lib/tare/node $(TARE_HEALTH_OLDEST) $(TARE_HEALTH_PERIOD)
STARTD_CRON_TARE_MODE = Periodic
STARTD_CRON_TARE_PERIOD = $(TARE_HEALTH_PERIOD)s
# One that hangs, as on a file system that does not answer, is ended; until then its last answer grows old, which closes the node too.
STARTD_CRON_TARE_KILL = True
# It keeps what it said last here, and the same for Prometheus.
STARTD_CRON_TARE_CWD = $(LOCK)
# MyCurrentTime is the node's clock, also where the negotiator looks at the ad.
START = ($(START)) && TareHealthy =?= True && (MyCurrentTime - TareHealthTime <= $(TARE_HEALTH_OLDEST)) =?= True
`,
  schedd: `# Tare on a schedd (HTCondor 23.8 or later): /etc/condor/config.d/61-tare-schedd.conf, then condor_reconfig.

# A job whose start failed on nodes this often is held. A job may ask for less: +TareMostFailedStarts = 3
TARE_FAILED_STARTS = 5

# After a failed start a job waits this many seconds, after the second one twice as long, and so on: the node has time to close itself. (Before
# 24.0.11 a schedd on which nothing else happens looks at such a job again after 20 minutes only.)
TARE_COOL_DOWN = 20

# What a failed start is: the starter said that it failed (1007; so it does when the wrapper fails), or it was gone within two minutes without a
# word while its node still answered (1008; so it is when the wrapper is not there), or the wrapper's last word was that it failed. Preemption,
# condor_vacate_job, a lost node, the user's own exit code and a self-checkpoint are none of these. (LastVacateTime: a shadow whose claim is
# gone tells the schedd only when the job's lease ends.)
TARE_START_FAILED = VacateReasonCode =?= 1007 || \\
  (VacateReasonCode =?= 1008 && VacateReason =?= "Job not found at execution machine" && (LastVacateTime ?: time()) - JobCurrentStartDate < 120) || \\
  (VacateReasonCode =?= undefined && TareNodeFailed =?= true)
SYSTEM_ON_VACATE_COOL_DOWN = (($(TARE_START_FAILED)) =?= true) ? $(TARE_COOL_DOWN) * (1 + (NumJobCoolDowns ?: 0)) : ($(SYSTEM_ON_VACATE_COOL_DOWN:0))

# The schedd counts them in NumJobCoolDowns, whatever becomes of the node. Where it counts by reason as well (HTCondor 24.1 and later), no more
# than these: other things send a job to cool down too.
TARE_COUNTED = ((NumVacatesByReason =?= undefined) ? (NumJobCoolDowns ?: 0) : \\
  min({NumJobCoolDowns ?: 0, (NumVacatesByReason.StarterError ?: 0) + (NumVacatesByReason.ReconnectFailed ?: 0) + (NumVacatesByReason.JobShouldRequeue ?: 0)}))

# Held when the last start failed and was one too many. After condor_release it is tried once more.
SYSTEM_PERIODIC_HOLD_NAMES = $(SYSTEM_PERIODIC_HOLD_NAMES) Tare
SYSTEM_PERIODIC_HOLD_Tare = JobUniverse == 5 && JobStatus == 1 && LastJobStatus == 2 && JobCoolDownExpiration > EnteredCurrentStatus && \\
  $(TARE_COUNTED) >= min({TareMostFailedStarts ?: $(TARE_FAILED_STARTS), $(TARE_FAILED_STARTS)})
SYSTEM_PERIODIC_HOLD_Tare_REASON = strcat("Tare: TareFailedStarts is ", $(TARE_COUNTED), ": so many starts failed on nodes; the last one on ", \\
  LastRemoteHost ?: "an unknown node", ": ", VacateReason ?: ChirpTareReason ?: "no reason was given")
SYSTEM_PERIODIC_HOLD_Tare_SUBCODE = 2

# A job that the site's policy refused, whose descriptor is wrong, or that went over its memory with oom: hold in the policy, is held with
# the reason in its log, instead of leaving the queue; and a job whose node failed goes back to the queue, as often as a start may fail, unless
# its submitter removes what was started once (ARC does). The wrapper says so in its last moment, in ChirpTare attributes; these stay for the next
# attempt, hence the comparison. A user's own expressions still count.
JOB_TRANSFORM_NAMES = $(JOB_TRANSFORM_NAMES) Tare
JOB_TRANSFORM_Tare @=end
  REQUIREMENTS JobUniverse == 5
  COPY OnExitHold        WithoutTareOnExitHold
  COPY OnExitHoldReason  WithoutTareOnExitHoldReason
  COPY OnExitHoldSubCode WithoutTareOnExitHoldSubCode
  COPY OnExitRemove      WithoutTareOnExitRemove
  SET TareFailedStarts  $(TARE_COUNTED)
  SET TareHold          ChirpTareHold =?= true && ChirpTareAttempt =?= NumJobStarts
  SET TareRunsOnce      regexp("NumJobStarts *> *0", unparse(PeriodicRemove), "i")
  SET TareNodeFailed    ChirpTareStatus =?= "wrapper-failure" && ChirpTareHold =!= true && ChirpTareAttempt =?= NumJobStarts
  SET OnExitHold        TareHold || (WithoutTareOnExitHold ?: false)
  SET OnExitHoldReason  TareHold ? strcat("Tare: ", ChirpTareReason ?: "see ChirpTareStatus") : WithoutTareOnExitHoldReason
  SET OnExitHoldSubCode TareHold ? 1 : WithoutTareOnExitHoldSubCode
  SET OnExitRemove      !(TareNodeFailed && TareRunsOnce =!= true && TareFailedStarts < $(TARE_FAILED_STARTS)) && (WithoutTareOnExitRemove ?: true)
@end
`,
  cron: healthProgram,
};
