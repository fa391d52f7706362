"""`python -m newsletter` is the same as `newsletter`."""

from newsletter.cli import main

if __name__ == "__main__":
    main()
