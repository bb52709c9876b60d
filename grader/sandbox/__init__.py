"""The sandbox in which a class's submissions run (Linux).

Covered, level by level (`grader doctor` says which level this machine reaches):

1. Resource limits on every process: memory, CPU seconds, processes, open files, file size.
2. Namespaces: own user (without rights), mounts, processes, network (without any interface), IPC and host name. The
   root folder holds the system's libraries, Python, `handbook` and the models, read-only; `/tmp` and `/dev/shm` are
   empty, private and of fixed size. Other submissions, hidden checks, lessons with answers, solutions, the gradebook
   and home folders aren't there. The end of the first process is the end of all.
3. A filter of system calls (libseccomp): no mounts, namespaces, tracing, kernel keys, BPF, io_uring or network sockets.
4. A control group: memory and processes of all of a submission's processes together.

Not covered: faults of the Linux kernel itself; reading what is in the warm server's memory, which is therefore kept free
of secrets; below level 4 the memory of several processes together (each has its own limit); the time that other
submissions lose while one uses its share of the processor; side channels between processes of one machine. What
the learner's process says about itself (call counts, "not changed in place") remains its own claim.
"""
