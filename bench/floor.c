/* The floor of a hook: what has to be asked of the kernel, asked once each in the same order as
 * devgate does, with a program that was made beforehand. It decides nothing: config.json is read
 * and not looked into. Every check that devgate makes by a call is made here too.
 *
 * cc -O2 -static -DPROGRAM='"raw instructions"' floor.c
 * With -DEMPTY it returns at once: what starting and ending any process costs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifdef EMPTY
int main(void) { return 0; }
#else

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
__asm__(".section .rodata\n.balign 8\nprogram: .incbin " TEXT(PROGRAM) "\nprogram_end:\n.previous\n");
extern const char program[] __asm__("program"), program_end[] __asm__("program_end");

/* What the attrs of linux/bpf.h of 6.1 lack: see DESIGN.md section 5. */
struct attach { __u32 target_fd, bpf_fd, type, flags, replace_fd, relative_fd; __u64 revision; };
struct query {
	__u32 target_fd, type, query_flags, attach_flags;
	__u64 ids;
	__u32 count, pad;
	__u64 unused[3], revision;
};

static char config[16 << 20], text[1 << 16], path[4096];

static void need(int ok, int step) { if (!ok) _exit(step); }

static long bpf(int command, void *attr, unsigned size)
{
	return syscall(SYS_bpf, command, attr, size);
}

/* All that fd has, NUL-terminated. */
static void slurp(int fd, char *to, size_t room)
{
	size_t length = 0;
	for (;;) {
		ssize_t n = read(fd, to + length, room - 1 - length);
		need(n >= 0, 2);
		if (n == 0)
			break;
		length += n;
	}
	to[length] = 0;
}

static void slurp_path(const char *from)
{
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	need(fd >= 0, 3);
	slurp(fd, text, sizeof text);
	close(fd);
}

/* The value of a string member; good enough for the bench's own state. */
static void member(const char *key, char *to)
{
	char *from = strstr(text, key);
	need(from != NULL, 4);
	from += strlen(key);
	size_t length = strcspn(from, "\"");
	memcpy(to, from, length);
	to[length] = 0;
}

/* The path of hierarchy 0, in place. */
static char *cgroup2_line(void)
{
	char *line = strstr(text, "0::/");
	need(line != NULL, 5);
	line[strcspn(line, "\n")] = 0;
	return line + 3;
}

/* The mount point of the first cgroup2 mount, from mountinfo in text. */
static char *cgroup2_mount(void)
{
	char *mark = strstr(text, " - cgroup2 ");
	need(mark != NULL, 6);
	while (mark > text && mark[-1] != '\n')
		mark--;
	char *field = mark;
	for (int i = 0; i < 4; i++)
		field = strchr(field, ' ') + 1;
	field[strcspn(field, " ")] = 0;
	return field;
}

static int pidfd, cgroup_file;
static char cgroup_name[4096];

/* The cgroup of the process now. */
static char *cgroup_now(void)
{
	ssize_t n = pread(cgroup_file, text, sizeof text - 1, 0);
	need(n > 0, 3);
	text[n] = 0;
	struct pollfd ready = { .fd = pidfd, .events = POLLIN };
	need(poll(&ready, 1, 0) == 0, 8);
	return cgroup2_line();
}

static int pinned_cgroup(int pid)
{
	static char file[64];
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	need(pidfd >= 0, 7);
	snprintf(file, sizeof file, "/proc/%d/cgroup", pid);
	cgroup_file = open(file, O_RDONLY | O_CLOEXEC);
	need(cgroup_file >= 0, 3);
	snprintf(file, sizeof file, "/proc/self/fdinfo/%d", pidfd);
	slurp_path(file);
	char *shown = strstr(text, "Pid:");
	need(shown != NULL && atoi(shown + 4) == pid, 21);
	strcpy(cgroup_name, cgroup_now());

	slurp_path("/proc/self/mountinfo");
	snprintf(path, sizeof path, "%s%s", cgroup2_mount(), cgroup_name);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(fd >= 0, 9);
	struct statfs fs;
	need(fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC, 10);
	struct statx mount;
	need(statx(fd, "", AT_EMPTY_PATH, 0x1000 /* STATX_MNT_ID */, &mount) == 0, 11);
	need(faccessat(fd, "cgroup.type", F_OK, 0) == 0, 12);
	slurp_path("/proc/self/cgroup");
	need(strcmp(cgroup2_line(), cgroup_name) != 0, 13);
	return fd;
}

static int load(void)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.expected_attach_type = BPF_CGROUP_DEVICE,
		.insn_cnt = (program_end - program) / 8,
		.insns = (__u64)program,
		.license = (__u64)"Apache-2.0",
		.prog_name = "floor",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr, 72);
	need(fd >= 0, 14);
	struct bpf_prog_info info = { 0 };
	union bpf_attr ask = { .info = { .bpf_fd = fd, .info_len = 80, .info = (__u64)&info } };
	need(bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, 16) == 0, 15);
	return fd;
}

static struct query query(int cgroup)
{
	static __u32 ids[64];
	struct query query = { .target_fd = cgroup, .type = BPF_CGROUP_DEVICE,
		.ids = (__u64)ids, .count = 64 };
	need(bpf(BPF_PROG_QUERY, &query, sizeof query) == 0 && query.count == 1, 16);
	return query;
}

static void lock(int cgroup)
{
	int dir = open("/run/devgate", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat found;
	need(dir >= 0 && fstat(dir, &found) == 0 && found.st_uid == 0, 23);
	int file = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	need(file >= 0 && fstat(cgroup, &found) == 0, 24);
	struct flock byte = { .l_type = F_WRLCK, .l_start = found.st_ino, .l_len = 1 };
	need(fcntl(file, F_OFD_SETLK, &byte) == 0, 18);
}

int main(void)
{
	slurp(0, text, sizeof text);
	char *pid = strstr(text, "\"pid\":");
	need(pid != NULL, 1);
	int number = atoi(pid + 6);
	member("\"bundle\":\"", path);
	strcat(path, "/config.json");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat file;
	need(fd >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode), 17);
	slurp(fd, config, sizeof config);
	close(fd);

	int cgroup = pinned_cgroup(number);
	int loaded = load();
	lock(cgroup);
	struct query before = query(cgroup);
	union bpf_attr id = { .prog_id = *(__u32 *)before.ids };
	int old = bpf(BPF_PROG_GET_FD_BY_ID, &id, 12);
	need(old >= 0, 19);
	struct attach attach = { .target_fd = cgroup, .bpf_fd = loaded, .type = BPF_CGROUP_DEVICE,
		.flags = BPF_F_ALLOW_MULTI | BPF_F_REPLACE, .replace_fd = old,
		.revision = before.revision };
	need(bpf(BPF_PROG_ATTACH, &attach, sizeof attach) == 0, 20);
	query(cgroup);
	need(strcmp(cgroup_now(), cgroup_name) == 0, 22);
	return 0;
}
#endif
