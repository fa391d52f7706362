"""A month's Issue, one Edition a language, frozen and approved."""
