"""KuaiRand in: what its files hold, how a folder of them is read and checked, how the archives are fetched."""
