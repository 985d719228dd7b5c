/*
 * Runs a fuzz target over the files of its corpus, without a fuzzer: what once crashed stays fixed.
 * Usage: replay_NAME FOLDER
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "base/auto.h"
#include "base/file.h"

#define CORPUS_FILE_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int files = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 1;
	}
	while ((entry = readdir(dir))) {
		auto_free char *data = NULL;
		size_t bytes = 0;

		if (entry->d_name[0] == '.')
			continue;
		if (file_read(dirfd(dir), entry->d_name, CORPUS_FILE_MAX, &data, &bytes, NULL) <
		    0) {
			fprintf(stderr, "cannot read %s/%s\n", argv[1], entry->d_name);
			return 1;
		}
		(void) LLVMFuzzerTestOneInput((const uint8_t *) data, bytes);
		files++;
	}
	(void) closedir(dir);
	printf("ok 1 - %s: %d files\n1..1\n", argv[1], files);
	return files == 0;
}
