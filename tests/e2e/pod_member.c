/*
 * What the containers of a pod share, from both ends: POSIX shared memory with a semaphore in it,
 * which is a futex of one page, and a message queue of System V.
 *
 *	pod_member wait		maps the memory, says "ready", waits, prints what is there
 *	pod_member tell TEXT	writes and posts
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <unistd.h>

#define KEY 0x6b617461

struct page {
	sem_t told;
	char text[256];
};

struct letter {
	long type;
	char text[64];
};

static struct page *map(int flags)
{
	int fd = shm_open("/pod", O_RDWR | flags, 0600);

	if (fd < 0 || (flags && ftruncate(fd, sizeof(struct page)) < 0))
		return NULL;

	void *p = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int wait_for_it(void)
{
	struct page *p = map(O_CREAT);
	int queue = msgget(KEY, IPC_CREAT | 0600);
	struct letter letter = {0};

	if (!p || queue < 0 || sem_init(&p->told, 1, 0) < 0)
		return 1;
	printf("ready\n");
	fflush(stdout);
	if (sem_wait(&p->told) < 0 || msgrcv(queue, &letter, sizeof letter.text, 0, 0) < 0)
		return 1;
	printf("%s, %s\n", p->text, letter.text);
	return 0;
}

static int tell(const char *text)
{
	struct letter letter = {.type = 1};
	struct page *p = map(0);
	int queue = msgget(KEY, 0600);

	if (!p || queue < 0)
		return 1;
	snprintf(p->text, sizeof p->text, "memory: %s", text);
	snprintf(letter.text, sizeof letter.text, "message: %s", text);
	if (msgsnd(queue, &letter, sizeof letter.text, 0) < 0 || sem_post(&p->told) < 0)
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int r = 2;

	if (argc == 2 && strcmp(argv[1], "wait") == 0)
		r = wait_for_it();
	else if (argc == 3 && strcmp(argv[1], "tell") == 0)
		r = tell(argv[2]);
	if (r)
		perror(argv[1] ? argv[1] : "pod_member");
	return r;
}
