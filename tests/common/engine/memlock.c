// Preloaded into crun 1.8, which fails where it may not raise RLIMIT_MEMLOCK. Since Linux 5.11 it
// need not: programs don't count against it.
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (resource == RLIMIT_MEMLOCK)
		return 0;
	return syscall(SYS_prlimit64, 0, resource, limit, 0);
}

int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	return setrlimit(resource, (const struct rlimit *)limit);
}
