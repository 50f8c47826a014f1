"""Anybody's log: the contract of its columns, mapping files, reading and checking; and KuaiRand's archives."""
