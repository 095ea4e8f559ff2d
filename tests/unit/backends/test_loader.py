"""Values of MAIL_BACKEND, and the errors for others."""

from __future__ import annotations

import importlib
import os
import sys
from textwrap import dedent

import pytest
from servers import mail_to

from flask_mail import (
    BackendNotFound,
    ConfigurationError,
    Message,
    Outcome,
    UnsupportedFeature,
)
from flask_mail.backends import Backend, base, entry_points, loader
from flask_mail.backends.console import ConsoleBackend
from flask_mail.backends.file import FileBackend
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.backends.null import NullBackend
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.config.table import TABLE

PIGEON = """
    from flask_mail.backends import Backend

    class PigeonBackend(Backend[None]):
        name = "pigeon"

        def deliver(self, mail, session):
            return self.accepted(mail)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution: entry points by name, and the modules that they are in."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def install(distribution, version, entry_points, modules=None, group=entry_points.GROUP):
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        lines = [f"{name} = {target}\n" for name, target in entry_points.items()]
        (info / "entry_points.txt").write_text(f"[{group}]\n{''.join(lines)}")
        for name, source in (modules or {}).items():
            (folder / f"{name}.py").write_text(dedent(source))
            monkeypatch.delitem(sys.modules, name, raising=False)

    install.folder = folder
    yield install
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


class TestByName:
    def test_each_built_in_backend_has_its_name(self):
        names = ("console", "dkim", "file", "locmem", "null", "smtp")
        assert [loader.load(name).name for name in names] == list(names)
        assert loader.load("console") is ConsoleBackend

    def test_installed_lists_them_with_their_distribution(self):
        found = {each.name: each for each in entry_points.installed()}
        assert set(found) >= {"console", "dkim", "file", "locmem", "null", "smtp"}
        assert found["null"].distribution == "Flask-Mail"
        assert found["null"].target == "flask_mail.backends.null:NullBackend"
        assert found["null"].origin == f"Flask-Mail {found['null'].version}"
        assert loader.load_installed(found["null"]) is NullBackend

    def test_a_plugin_is_found_by_its_entry_point(self, install):
        install(
            "flask-mail-pigeon", "1.2", {"pigeon": "pigeons:PigeonBackend"}, {"pigeons": PIGEON}
        )
        [found] = [each for each in entry_points.installed() if each.name == "pigeon"]
        assert found.origin == "flask-mail-pigeon 1.2"
        assert loader.load("pigeon").__module__ == "pigeons"
        assert loader.load("pigeon") is loader.load("pigeons:PigeonBackend")

    def test_entry_points_of_other_groups_are_none_of_ours(self, install):
        install("other", "1", {"pigeon": "pigeons:PigeonBackend"}, group="other.backends")
        assert "pigeon" not in {each.name for each in entry_points.installed()}

    def test_an_unknown_name_suggests_the_nearest_and_lists_all(self):
        with pytest.raises(BackendNotFound) as caught:
            loader.load("consol")
        text = str(caught.value)
        assert text.startswith("MAIL_BACKEND 'consol' is not installed; did you mean 'console'?")
        listed = text.partition("Installed: ")[2].rstrip(".").split(", ")
        assert listed == sorted({each.name for each in entry_points.installed()})

    def test_an_unknown_name_that_is_like_none_just_lists_all(self):
        with pytest.raises(BackendNotFound, match=r"'qqqqq' is not installed\. Installed: .*smtp"):
            loader.load("qqqqq")

    def test_built_in_names_are_found_and_listed_without_metadata(self, monkeypatch):
        """As from a source tree that was never installed."""
        monkeypatch.setattr(entry_points, "installed", list)
        assert loader.load("smtp") is SmtpBackend
        listed = ", ".join(sorted(loader.BUILT_IN))
        with pytest.raises(BackendNotFound, match=rf"is not installed\. Installed: {listed}\.$"):
            loader.load("qqqqq")

    def test_built_in_table_equals_the_entry_points(self):
        declared = {each.name: each.target for each in entry_points.installed() if each.built_in}
        assert declared == loader.BUILT_IN

    @pytest.mark.parametrize("name", loader.BUILT_IN)
    def test_built_in_backend_passes_the_checks_of_plugins(self, name):
        cls = loader.load(name)
        assert loader.check_class(cls, name) is cls
        assert cls.name == name

    def test_not_found_is_a_lookup_error_and_a_value_error(self):
        assert issubclass(BackendNotFound, (LookupError, ConfigurationError, ValueError))

    def test_a_name_that_two_distributions_claim_names_both(self, install):
        for distribution in ("one-pigeon", "two-pigeons"):
            module = distribution.replace("-", "_")
            install(distribution, "1.0", {"pigeon": f"{module}:PigeonBackend"}, {module: PIGEON})
        with pytest.raises(ConfigurationError) as caught:
            loader.load("pigeon")
        assert str(caught.value).startswith(
            "MAIL_BACKEND 'pigeon' is claimed by one-pigeon 1.0 (one_pigeon:PigeonBackend) and"
            " two-pigeons 1.0 (two_pigeons:PigeonBackend): "
        )
        assert "one_pigeon" not in sys.modules
        assert loader.load("two_pigeons:PigeonBackend").name == "pigeon"

    def test_a_claim_of_a_built_in_name_neither_takes_it_over_nor_breaks_it(self, install):
        install("impostor", "6.6.6", {"null": "pigeons:PigeonBackend"}, {"pigeons": PIGEON})
        assert loader.load("null") is NullBackend
        assert "pigeons" not in sys.modules

    def test_unimportable_plugin_shows_its_error_and_distribution(self, install):
        install(
            "flask-mail-pigeon",
            "1.2",
            {"pigeon": "pigeons:PigeonBackend"},
            {"pigeons": "import a_library_that_is_missing"},
        )
        with pytest.raises(ConfigurationError) as caught:
            loader.load("pigeon")
        assert str(caught.value) == (
            "The backend 'pigeon' of flask-mail-pigeon 1.2 could not be imported from"
            " 'pigeons:PigeonBackend': ModuleNotFoundError: No module named"
            " 'a_library_that_is_missing'"
        )
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)

    @pytest.mark.parametrize(
        ("source", "error"),
        [
            ("raise RuntimeError('no feathers')", "RuntimeError: no feathers"),
            ("this is no Python", "SyntaxError: "),
            ("", "AttributeError: .* 'PigeonBackend'"),
        ],
    )
    def test_any_error_of_its_import_is_shown(self, install, source, error):
        install(
            "flask-mail-pigeon", "1.2", {"pigeon": "pigeons:PigeonBackend"}, {"pigeons": source}
        )
        with pytest.raises(ConfigurationError, match=f"flask-mail-pigeon 1.2 .*: {error}"):
            loader.load("pigeon")

    def test_a_plugin_that_is_no_backend_names_its_distribution(self, install):
        install("flask-mail-pigeon", "1.2", {"pigeon": "pigeons:x"}, {"pigeons": "x = 1"})
        with pytest.raises(
            ConfigurationError,
            match=r"^The backend 'pigeon' of flask-mail-pigeon 1\.2 is not a backend",
        ):
            loader.load("pigeon")

    @pytest.mark.parametrize("target", ["pigeons", "no.such.module:Class"])
    def test_a_broken_plugin_leaves_the_others_alone(self, install, target):
        install("flask-mail-pigeon", "1.2", {"pigeon": target}, {"pigeons": PIGEON})
        assert loader.load("null") is NullBackend
        assert "pigeon" in {each.name for each in entry_points.installed()}
        with pytest.raises(ConfigurationError, match="flask-mail-pigeon"):
            loader.load("pigeon")

    def test_a_malformed_entry_point_leaves_the_others_alone(self, install):
        install("flask-mail-pigeon", "1.2", {"pigeon": "pigeons:"}, {"pigeons": PIGEON})
        assert loader.load("null") is NullBackend
        with pytest.raises(ConfigurationError, match="pigeon"):
            loader.load("pigeon")

    def test_unreadable_distribution_does_not_hide_the_others(self, monkeypatch):
        """Some versions of the backport raise ValueError for all if one entry is malformed."""
        metadata = importlib.import_module(
            "importlib.metadata" if sys.version_info >= (3, 12) else "importlib_metadata"
        )

        def refuse(group):
            raise ValueError("Invalid object reference")

        before = entry_points.installed()
        monkeypatch.setattr(metadata, "entry_points", refuse)
        assert entry_points.installed() == before

    @pytest.mark.parametrize("metadata", [None, "", "Metadata-Version: 2.1\n"])
    def test_what_an_interrupted_uninstall_left_behind_breaks_nothing(self, install, metadata):
        install("flask-mail-pigeon", "1.2", {"pigeon": "gone:PigeonBackend"})
        left = install.folder / "flask_mail_pigeon-1.2.dist-info" / "METADATA"
        left.unlink()
        if metadata is not None:
            left.write_text(metadata)
        assert loader.load("null") is NullBackend
        [found] = [each for each in entry_points.installed() if each.name == "pigeon"]
        assert found.origin == "an unknown distribution"

    def test_an_entry_point_without_a_distribution_is_listed(self, monkeypatch):
        """Frozen programs have entry points of which nobody knows where they are from."""
        metadata = importlib.import_module(
            "importlib.metadata" if sys.version_info >= (3, 12) else "importlib_metadata"
        )
        point = metadata.EntryPoint("pigeon", "pigeons:PigeonBackend", entry_points.GROUP)
        monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
        [found] = entry_points.installed()
        assert found.origin == "an unknown distribution"


class TestWhatIsNoReference:
    @pytest.mark.parametrize(
        "value",
        ["smtp://user:s3cret@mail.example.com", "s3cret value", "", "1", "a:b:c", "x" * 101],
    )
    def test_it_is_refused_without_being_shown(self, value):
        """A URL, as other frameworks have it, holds a password."""
        with pytest.raises(
            BackendNotFound, match="neither the name .* Installed: console, "
        ) as caught:
            loader.load(value)
        assert "s3cret" not in str(caught.value)

    def test_the_right_case_is_suggested(self):
        with pytest.raises(BackendNotFound, match="did you mean 'smtp'"):
            loader.load("SMTP")

    def test_a_dotted_path_is_told_of_the_colon(self):
        with pytest.raises(BackendNotFound, match="with a colon"):
            loader.load("flask_mail.backends.smtp.SmtpBackend")


class TestByImportPath:
    def test_it_is_imported(self):
        assert loader.load("flask_mail.backends.null:NullBackend") is NullBackend

    def test_the_class_may_be_inside_another(self, install):
        install("any", "1", {}, {"lofts": "class Loft:\n" + dedent(PIGEON).replace("\n", "\n    ")})
        assert loader.load("lofts:Loft.PigeonBackend").name == "pigeon"

    @pytest.mark.parametrize(
        ("path", "error"),
        [
            ("no_such_module:Backend", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("flask_mail.backends.null:NoBackend", "AttributeError: .*'NoBackend'"),
            ("flask_mail.backends.null:", "AttributeError"),
        ],
    )
    def test_what_cannot_be_imported_is_named_with_the_reason(self, path, error):
        with pytest.raises(ConfigurationError, match=f"MAIL_BACKEND '{path}' .*: {error}"):
            loader.load(path)


class Named(Backend[None]):
    """Lacks nothing."""

    name = "named"

    def deliver(self, mail, session):
        return self.accepted(mail)


class TestByClass:
    def test_it_is_taken_as_it_is(self):
        assert loader.load(LocmemBackend) is LocmemBackend
        assert loader.load(Named) is Named

    @pytest.mark.parametrize(
        "candidate", [dict, Named(), 5, Backend[None], object(), len, ["smtp"]]
    )
    def test_what_is_no_backend_class_is_refused_with_what_belongs_there(self, candidate):
        with pytest.raises(ConfigurationError) as caught:
            loader.load(candidate)
        text = str(caught.value)
        assert text.startswith("MAIL_BACKEND is not a backend: ")
        assert "subclass of flask_mail.backends.Backend" in text

    def test_a_class_that_lacks_deliver_is_incomplete(self):
        class Unfinished(Backend[None]):
            name = "unfinished"

        with pytest.raises(
            ConfigurationError, match=r"is incomplete: Unfinished does not define deliver\.$"
        ):
            loader.load(Unfinished)
        with pytest.raises(ConfigurationError, match="Backend does not define deliver"):
            loader.load("flask_mail.backends:Backend")

    def test_a_class_without_a_name_is_told_to_have_one(self):
        class Nameless(Backend[None]):
            def deliver(self, mail, session):
                return self.accepted(mail)

        with pytest.raises(ConfigurationError, match="Nameless must set `name` to one lowercase"):
            loader.load(Nameless)

    @pytest.mark.parametrize(
        "name", ["", "Pigeon", "two words", "pi-geon", "pi_geon", "1st", "täube", "a\n", None, 5]
    )
    def test_a_name_is_one_lowercase_word(self, name):
        """It is part of the keys of settings, and what users write."""
        misnamed = type("Misnamed", (Named,), {"name": name})
        with pytest.raises(ConfigurationError, match="Misnamed must set `name`"):
            loader.load(misnamed)

    def test_a_name_may_hold_digits(self):
        assert loader.load(type("Numbered", (Named,), {"name": "ses2"})).name == "ses2"


class TestKeysOfOthers:
    """The options of a backend are told from Flask-Mail's own settings by how their keys begin."""

    RESERVED = sorted(
        {"fail", *(each.key.split("_")[1].lower() for each in TABLE if each.key.count("_") > 1)}
        - {"console", "file"}
    )

    @pytest.mark.parametrize("name", RESERVED)
    def test_no_name_is_the_beginning_of_a_setting(self, name):
        with pytest.raises(ConfigurationError) as caught:
            loader.load(type("TakingBackend", (Named,), {"name": name}))
        text = str(caught.value)
        assert f"option prefix MAIL_{name.upper()}_ of TakingBackend clashes with MAIL_" in text
        assert text.endswith("another `name` or an `option_prefix`.")

    def test_all_of_them_are_known(self):
        assert {"use", "tls", "max", "default", "fail", "pool", "redirect"} < {*self.RESERVED}

    @pytest.mark.parametrize("prefix", ["MAIL_T", "MAIL_USE_", "M", "MAIL", ""])
    def test_no_prefix_is_the_beginning_of_a_setting(self, prefix):
        class OpenBackend(Named):
            option_prefix = prefix

        if not prefix:  # not set
            assert loader.load(OpenBackend) is OpenBackend
            return
        with pytest.raises(
            ConfigurationError, match=f"prefix {prefix} of OpenBackend clashes with MAIL_"
        ):
            loader.load(OpenBackend)

    def test_also_if_it_takes_any_option(self):
        class UseBackend(Named):
            name = "use"

            def __init__(self, **options):
                pass

        with pytest.raises(ConfigurationError, match="MAIL_USE_TLS, MAIL_USE_SSL"):
            loader.load(UseBackend)

    @pytest.mark.parametrize("kind", [ConsoleBackend, FileBackend, SmtpBackend, LocmemBackend])
    def test_those_that_extend_a_built_in_one_keep_its_settings(self, kind):
        class Extended(kind):
            pass

        assert loader.load(Extended) is Extended

    def test_a_prefix_of_its_own_frees_the_name(self):
        class UseBackend(Named):
            name = "use"
            option_prefix = "USEMAIL_"

        assert loader.load(UseBackend) is UseBackend

    def test_a_plugin_of_such_a_name_is_named_with_its_distribution(self, install):
        source = PIGEON.replace('"pigeon"', '"max"')
        install("flask-mail-max", "1.2", {"max": "pigeons:PigeonBackend"}, {"pigeons": source})
        with pytest.raises(ConfigurationError) as caught:
            mail_to(1, MAIL_BACKEND="max").send_message("Hello", ["a@b.example"], "Hi")
        assert str(caught.value).startswith(
            "The backend 'max' of flask-mail-max 1.2 cannot be used: the option prefix MAIL_MAX_ of"
            " PigeonBackend clashes with MAIL_MAX_EMAILS"
        )


class TestReadOnce:
    """Entry points are read again only after something was installed or removed."""

    @pytest.fixture
    def reads(self, monkeypatch):
        metadata = importlib.import_module(
            "importlib.metadata" if sys.version_info >= (3, 12) else "importlib_metadata"
        )
        counted = []
        read = metadata.entry_points

        def count(**selection):
            counted.append(selection)
            return read(**selection)

        monkeypatch.setattr(metadata, "entry_points", count)
        return counted

    def test_built_in_backends_are_found_without_reading_them(self, reads):
        mail_to(1, MAIL_BACKEND="smtp", TESTING=True).send_message("Hello", ["a@b.example"])
        for name in loader.BUILT_IN:
            loader.load(name)
        assert reads == []

    def test_many_apps_read_them_once(self, install, reads):
        install("pigeon-post", "1", {"pigeon": "pigeons:PigeonBackend"}, {"pigeons": PIGEON})
        for _ in range(3):
            mail_to(1, MAIL_BACKEND="pigeon").send_message("Hello", ["a@b.example"], "Hi")
        assert reads == [{"group": entry_points.GROUP}]

    def test_the_list_is_the_callers_own(self, reads):
        before = entry_points.installed()
        entry_points.installed().clear()
        assert entry_points.installed() == before

    def test_what_is_installed_meanwhile_is_found(self, install, reads):
        assert "pigeon" not in {each.name for each in entry_points.installed()}
        install("pigeon-post", "1", {"pigeon": "pigeons:PigeonBackend"}, {"pigeons": PIGEON})
        later = install.folder.stat().st_mtime_ns + 1_000_000_000  # clocks of folders are coarse
        os.utime(install.folder, ns=(later, later))
        assert loader.load("pigeon").__module__ == "pigeons"
        assert len(reads) == 2

    def test_what_else_changes_in_a_folder_is_no_reason_to_read_them(self, install, reads):
        entry_points.installed()
        for number in range(3):
            (install.folder / "shop.db").write_text(str(number))
            later = install.folder.stat().st_mtime_ns + 1_000_000_000
            os.utime(install.folder, ns=(later, later))
            entry_points.installed()
        assert len(reads) == 1

    def test_a_folder_that_joins_the_path_is_read(self, tmp_path, monkeypatch, reads):
        entry_points.installed()
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.syspath_prepend(str(tmp_path / "gone"))
        entry_points.installed()
        entry_points.installed()
        assert len(reads) == 2


class TestVersions:
    """Versions of the backend interface that this Flask-Mail supports."""

    @staticmethod
    def made(**attributes):
        body = {"name": "made", "deliver": NullBackend.deliver, **attributes}
        return type("MadeBackend", (Backend,), body)

    @pytest.mark.parametrize("attributes", [{}, {"api_version": 1}])
    def test_one_that_was_written_for_this_interface_is_taken(self, attributes):
        made = self.made(**attributes)
        assert loader.load(made) is made

    def test_one_for_a_future_interface_is_told_apart_from_a_broken_one(self):
        with pytest.raises(ConfigurationError, match="needs a newer Flask-Mail: it uses"):
            loader.load(self.made(api_version=base.API_VERSION + 1))

    @pytest.mark.parametrize("version", ["1", 0, -1, True, None, 1.0])
    def test_what_is_no_version_is_refused(self, version):
        with pytest.raises(ConfigurationError, match="api_version of MadeBackend must be a whole"):
            loader.load(self.made(api_version=version))

    def test_a_plugin_for_a_future_interface_breaks_nothing_else(self, install):
        source = PIGEON.replace('name = "pigeon"', 'name = "pigeon"; api_version = 9')
        install("pigeon-post", "2.1", {"pigeon": "pigeon:PigeonBackend"}, {"pigeon": source})

        (pigeon,) = [each for each in entry_points.installed() if each.name == "pigeon"]
        with pytest.raises(ConfigurationError, match="'pigeon' of pigeon-post 2.1 needs a newer"):
            loader.load_installed(pigeon)
        assert loader.load("null") is NullBackend

    @pytest.mark.parametrize("module", ["no_such_library", "no_such_library.part"])
    def test_a_library_that_is_missing_is_named_with_what_to_install(self, module):
        made = self.made(requires={"json": "nothing", module: "Flask-Mail-Made"})
        mail = mail_to(1, MAIL_BACKEND=made)

        with pytest.raises(
            ConfigurationError,
            match=f"'made' needs the library {module}: pip install Flask-Mail-Made",
        ):
            mail.send_message("Hello", ["a@b.example"], "Hi")

    def test_what_a_backend_cannot_express_is_an_error_that_names_both(self):
        class Small(NullBackend):
            name = "small"
            external = True

            def deliver(self, mail, session):
                raise self.unsupported("attachments")

        mail = mail_to(1, MAIL_BACKEND=Small)
        with pytest.raises(UnsupportedFeature, match="small backend does not support attachments"):
            mail.send_message("Hello", ["a@b.example"], "Hi")
        (receipt,) = mail.send_many([Message("Hello", ["a@b.example"], "Hi")])
        assert receipt.outcome is Outcome.NOT_SENT
