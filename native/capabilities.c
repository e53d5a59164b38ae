/* See capabilities.h. */
#include "capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool bound_set(unsigned long long kept)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (!(capability < 64 && kept >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
			return false;
	return true;
}

bool bound_capabilities(unsigned long long kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct own[2];

	if (syscall(SYS_capget, &header, own))
		return false;
	for (int half = 0; half < 2; half++) {
		unsigned allowed = (unsigned)(kept >> 32 * half);
		own[half].permitted &= allowed;
		own[half].effective &= allowed;
		own[half].inheritable &= allowed;
	}
	return syscall(SYS_capset, &header, own) == 0;
}

bool hand_capabilities_on(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[0].inheritable = data[0].permitted;
	data[1].inheritable = data[1].permitted;
	if (syscall(SYS_capset, &header, data))
		return false;
	for (int capability = 0; capability < 64; capability++)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
	return true;
}
