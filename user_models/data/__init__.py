"""KuaiRand data: columns of its files, reading and checking of a folder, and download of the archives."""
