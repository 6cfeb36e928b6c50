"""What is decided with the scores: experiments. Pure rules; storage is in `db`, routes are in `serve`."""
