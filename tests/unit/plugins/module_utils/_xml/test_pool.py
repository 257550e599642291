# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions as libvirt's XML: all types there and back, what libvirt prints, and what is refused."""

from __future__ import annotations

import builtins
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._model import pool as model
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Auth,
    FcHostAdapter,
    Permissions,
    PoolDefinition,
    ScsiHostAdapter,
    Source,
    SourceDevice,
    SourceHost,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._xml.pool import LONGEST, parse_pool
from ansible_collections.virt.san.plugins.module_utils._xml.pool_text import pool_text

UUID = "5b1c1f7e-1d25-4d0c-9a52-2b0d6f6f4a11"
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C"]), min_size=1, max_size=12)
NAMES = WORDS.filter(lambda text: "/" not in text and text.strip() == text and text[0] != "." and len(text) < 9)
PATHS = st.lists(WORDS.filter(lambda text: "/" not in text and text not in (".", "..") and text.strip() == text))
WWNS = st.from_regex(r"\A5[0-9a-f]{15}\Z")
SERVERS = st.sampled_from(["nas", "nas.example.org", "10.77.1.1", "2001:db8::1"])
NUMBERS = st.integers(0, 65535)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ABSOLUTE = PATHS.map(lambda parts: model.parse_path("/" + "/".join(parts)))
PCI = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 31), st.integers(0, 7)).map(
    lambda at: f"{at[0]:04x}:{at[1]:02x}:{at[2]:02x}.{at[3]}"
)
ADAPTERS = (
    st.builds(ScsiHostAdapter, WORDS)
    | st.builds(ScsiHostAdapter, st.none(), PCI, maybe(NUMBERS))
    | st.builds(FcHostAdapter, WWNS, WWNS, maybe(WORDS), maybe(WWNS), maybe(WWNS), maybe(WWNS), maybe(st.booleans()))
)
SOURCES = st.builds(
    Source,
    hosts=st.lists(st.builds(SourceHost, SERVERS, maybe(NUMBERS)), max_size=3).map(tuple),
    devices=st.lists(st.builds(SourceDevice, WORDS, maybe(st.booleans())), max_size=3).map(tuple),
    directory=maybe(ABSOLUTE),
    name=maybe(WORDS),
    format=maybe(WORDS),
    protocol_version=maybe(WORDS),
    initiator=maybe(WORDS),
    auth=maybe(st.builds(Auth, WORDS, WORDS, maybe(WORDS)) | st.builds(Auth, WORDS, WORDS, st.none(), WORDS)),
    adapter=maybe(ADAPTERS),
    vendor=maybe(WORDS),
    product=maybe(WORDS),
    mount_options=st.lists(st.sampled_from(["ro", "vers=4.2", "timeo=10"]), max_size=3).map(tuple),
)
TARGETS = st.builds(
    Target,
    maybe(ABSOLUTE),
    st.builds(Permissions, maybe(st.integers(0, 0o7777)), maybe(NUMBERS), maybe(NUMBERS), maybe(WORDS)),
)
POOLS = st.builds(
    PoolDefinition, NAMES, st.sampled_from(model.POOL_TYPES), SOURCES, TARGETS, maybe(st.uuids().map(str))
)


@given(POOLS)
def test_there_and_back(pool: PoolDefinition) -> None:
    text = pool_text(pool)
    assert parse_pool(text) == pool
    assert pool_text(parse_pool(text)) == text


def test_as_it_is_written() -> None:
    pool = PoolDefinition(
        "isos & more",
        "netfs",
        Source((SourceHost("10.77.1.1"),), directory="/srv/nfs", format="nfs", mount_options=("ro",)),
        Target("/isos", Permissions(0o711)),
        UUID,
    )
    assert pool_text(pool) == (
        '<pool xmlns:fs="http://libvirt.org/schemas/storagepool/fs/1.0" type="netfs">\n'
        "  <name>isos &amp; more</name>\n"
        f"  <uuid>{UUID}</uuid>\n"
        "  <source>\n"
        '    <host name="10.77.1.1"/>\n'
        '    <dir path="/srv/nfs"/>\n'
        '    <format type="nfs"/>\n'
        "  </source>\n"
        "  <target>\n"
        "    <path>/isos</path>\n"
        "    <permissions>\n"
        "      <mode>0711</mode>\n"
        "    </permissions>\n"
        "  </target>\n"
        "  <fs:mount_opts>\n"
        '    <fs:option name="ro"/>\n'
        "  </fs:mount_opts>\n"
        "</pool>\n"
    )


def test_what_libvirt_prints() -> None:
    """As `virsh pool-dumpxml` prints a pool that runs: with sizes, without owner (-1), sources that are empty."""
    pool = parse_pool(
        f"""<?xml version='1.0' encoding='UTF-8'?>
        <!-- defined by hand -->
        <pool type='dir'>
          <name>images</name>
          <uuid>{UUID.upper()}</uuid>
          <capacity unit='bytes'>12546445312</capacity>
          <allocation unit='bytes'>1347436544</allocation>
          <available unit='bytes'>11199008768</available>
          <source>
          </source>
          <target>
            <path>/var/lib/libvirt/images/</path>
            <permissions>
              <mode>0711</mode>
              <owner>-1</owner>
              <group>0</group>
              <label>system_u:object_r:virt_image_t:s0</label>
            </permissions>
          </target>
        </pool>"""
    )
    permissions = Permissions(0o711, None, 0, "system_u:object_r:virt_image_t:s0")
    assert pool == PoolDefinition("images", "dir", Source(), Target("/var/lib/libvirt/images", permissions), UUID)


def source(inner: str, path: str) -> str:
    return f"<source>{inner}</source><target><path>{path}</path></target>"


DUMPED = {
    "fs": source("<device path='/dev/mapper/a'/><format type='ext4'/>", "/a"),
    "logical": source(
        "<device path='/dev/sdb'/><device path='/dev/sdc'/><name>vg0</name><format type='lvm2'/>", "/dev/vg0"
    ),
    "disk": source("<device path='/dev/sdb'><freeExtent start='512' end='1024'/></device><format type='gpt'/>", "/dev"),
    "iscsi": source(
        "<host name='10.77.1.1' port='3260'/><device path='iqn.2020-01.org.example:a'/>"
        "<initiator><iqn name='iqn.2020-01.org.example:guest'/></initiator>"
        "<auth type='chap' username='me'><secret usage='libvirtiscsi'/></auth>",
        "/dev/disk/by-path",
    ),
    "scsi": source(
        "<adapter type='scsi_host'><parentaddr unique_id='1'>"
        "<address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/></parentaddr></adapter>",
        "/dev/disk/by-path",
    ),
    "mpath": source("", "/dev/mapper"),
}


@pytest.mark.parametrize("kind", DUMPED)
def test_other_types_as_libvirt_prints_them(kind: str) -> None:
    pool = parse_pool(f"<pool type='{kind}'><name>a</name><uuid>{UUID}</uuid>{DUMPED[kind]}</pool>")
    assert pool.type == kind
    assert parse_pool(pool_text(pool)) == pool


REFUSED = {
    "empty": ("", "not XML"),
    "half": ("<pool type='dir'>", "not XML"),
    "another root": ("<volume><name>a</name></volume>", "about <volume>"),
    "another namespace": ("<pool xmlns='urn:x' type='dir'><name>a</name></pool>", "about <{urn:x}pool>"),
    "another type": ("<pool type='rbd'><name>a</name></pool>", "type 'rbd' are not known"),
    "no type": ("<pool><name>a</name></pool>", "type None are not known"),
    "no name": ("<pool type='dir'/>", "no name"),
    "a name that is none": ("<pool type='dir'><name>../a</name></pool>", "no name for a pool"),
    "two names": ("<pool type='dir'><name>a</name><name>b</name></pool>", "more than once"),
    "an element": ("<pool type='dir'><name>a</name><features/></pool>", "<features> in <pool> is not understood"),
    "an attribute": ("<pool type='dir' x='1'><name>a</name></pool>", "x of <pool> is not understood"),
    "an element within": (
        "<pool type='dir'><name>a</name><target><path>/a</path><encryption/></target></pool>",
        "<encryption> in <target> is not understood",
    ),
    "a path": ("<pool type='dir'><name>a</name><target><path>a</path></target></pool>", "not an absolute path"),
    "a document type": ("<!DOCTYPE pool><pool type='dir'><name>a</name></pool>", "entities are not accepted"),
    "an entity": (
        '<!DOCTYPE pool [<!ENTITY a SYSTEM "file:///etc/shadow">]><pool type="dir"><name>&a;</name></pool>',
        "entities are not accepted",
    ),
    "many entities": (
        '<!DOCTYPE pool [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><pool type="dir"><name>&b;</name></pool>',
        "entities are not accepted",
    ),
    "an entity from nowhere": ("<pool type='dir'><name>&a;</name></pool>", "not XML"),
    "huge": (f"<pool type='dir'><name>a</name>{' ' * LONGEST}</pool>", "too many"),
    "another encoding": (
        '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE pool+AD4-<pool type="dir"><name>a</name></pool>',
        "not XML",
    ),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_pool(text)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValueError, match="not XML"):
        parse_pool("<pool type='dir'>" + "<a>" * 5000 + "</a>" * 5000 + "</pool>")


def test_without_lxml(monkeypatch: pytest.MonkeyPatch) -> None:
    import_as_ever = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("lxml"):
            raise ImportError(name)
        return import_as_ever(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnavailableError, match="python3-lxml"):
        parse_pool("<pool type='dir'><name>a</name></pool>")
