"""History rewritten: checkpoints that Git or git-lfs holds become manifests, and the way back.

::

    migration.py             what is asked, step by step; nothing points at the new history before the last one
    default_patterns.py      which files, where nobody says
    history_survey.py        the versions of these files, and the attributes files, of all commits
    blob_facts.py            what each version is: a file, a pointer, a manifest
    attribute_changes.py     what becomes of .gitattributes
    import_conversion.py     a version to its manifest
    export_conversion.py     a manifest to its file, or to a pointer
    history_rewriter.py      commit by commit, by fast-export and fast-import
    moved_refs.py            branches and tags, in one transaction
    migrated_worktree.py     index and worktree, afterwards
"""
