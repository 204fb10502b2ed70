"""The conformance kit: the laws of each seam as test classes, which plug-in authors run, and our own built-ins first.

Derive from a class, fill in its hooks, and let pytest collect it (docs/how-to/write-a-plugin.md)::

    from git_theta.testing.formats import FormatLaws

    class TestMyFormat(FormatLaws):
        def make_format(self): return MyFormat()
        def samples(self): return {"model.mine": make_a_file()}

The one place of the package that imports pytest.
"""
