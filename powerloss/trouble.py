def campaign(run, wanted, can_mount):
    pass
