"""Ostiary as python-ldap3 sees it: the whole schema read, names and values checked against it.

Reads from standard input a JSON object with url, ldaps, base, authority (a file), admin (a name of an
entry) and password. Prints what it has done, a line each; ends with an error at the first thing that
is not as it should be.
"""

import json
import ssl
import sys

from ldap3 import (
    ALL, ALL_ATTRIBUTES, ALL_OPERATIONAL_ATTRIBUTES, BASE, LEVEL, MODIFY_ADD, MODIFY_DELETE, MODIFY_INCREMENT,
    MODIFY_REPLACE, SUBTREE, Connection, ObjectDef, Reader, Server, Tls, Writer,
)
from ldap3.core.exceptions import LDAPAttributeError, LDAPExceptionError, LDAPObjectClassError
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.protocol.controls import build_control
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

told = json.load(sys.stdin)
base = told["base"]
people, groups = f"ou=people,{base}", f"ou=groups,{base}"
tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=told["authority"], version=ssl.PROTOCOL_TLS_CLIENT)


def server(url=None):
    return Server(url or told["url"], get_info=ALL, tls=tls)


def connected(dn=told["admin"], password=told["password"], url=None, **more):
    """A bound connection that checks every name against the schema."""
    return Connection(server(url), dn, password, auto_bind=True, check_names=True, **more)


def done(connection, answer=True):
    assert answer, connection.result
    assert connection.result["result"] == 0, connection.result


def refused(connection, code):
    assert connection.result["result"] == code, (code, connection.result)


def one(connection, dn, attributes=(ALL_ATTRIBUTES,)):
    """The entry of that name."""
    done(connection, connection.search(dn, "(objectClass=*)", BASE, attributes=list(attributes)))
    assert len(connection.entries) == 1, connection.entries
    return connection.entries[0]


def names(connection):
    return [entry.entry_dn for entry in connection.entries]


def what_the_server_tells():
    connection = connected()
    info, schema = connection.server.info, connection.server.schema
    assert info.naming_contexts == [base], info
    assert {"1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.1", "1.3.6.1.4.1.4203.1.11.3"} <= {
        extension[0] for extension in info.supported_extensions}
    assert {"1.2.840.113556.1.4.319", "1.2.840.113556.1.4.473", "1.3.6.1.1.12"} <= {
        control[0] for control in info.supported_controls}
    for name in ["inetOrgPerson", "groupOfNames", "groupOfUniqueNames", "posixAccount", "posixGroup"]:
        assert name in schema.object_classes, name
    for name in ["uid", "memberOf", "entryUUID", "createTimestamp", "uidNumber", "jpegPhoto", "sshPublicKey"]:
        assert name in schema.attribute_types, name
    # What is not published is refused before it is sent.
    for attribute, error in [("nonsense", LDAPAttributeError)]:
        try:
            connection.search(people, "(objectClass=*)", attributes=[attribute])
        except error:
            continue
        raise AssertionError(attribute)
    try:
        connection.search(people, "(objectClass=nonsense)")
    except LDAPObjectClassError:
        pass
    else:
        raise AssertionError("a class that is not published was asked for")
    connection.unbind()


def names_and_values_are_typed():
    connection = connected()
    entry = one(connection, told["admin"], [ALL_ATTRIBUTES, ALL_OPERATIONAL_ATTRIBUTES])
    for name in ["createTimestamp", "modifyTimestamp"]:
        assert hasattr(entry[name].value, "year"), (name, entry[name].value)
    assert isinstance(entry.uidNumber.value, int), entry.uidNumber
    assert entry.hasSubordinates.value is False, entry.hasSubordinates
    assert len(entry.entryUUID.value.strip("{}")) == 36, entry.entryUUID
    assert connection.response[0]["attributes"]["entryDN"] == told["admin"], connection.response
    person = ObjectDef(["inetOrgPerson", "posixAccount"], connection)
    reader = Reader(connection, person, people, "uid: admin")
    assert reader.search()[0].uid == "admin", reader.entries
    connection.unbind()


def entries_are_written():
    connection = connected()
    ada = f"uid=ada,{people}"
    done(connection, connection.add(ada, ["inetOrgPerson", "posixAccount"], {
        "mail": ["ada@example.tld", "ada.okafor@example.tld"], "givenName": "Ada", "sn": "Okafor", "cn": "Ada Okafor",
        "userPassword": "a lamp in the harbour", "homeDirectory": "/srv/ada",
        "uidNumber": 300001, "gidNumber": 300001,
    }))
    connection.add(ada, ["inetOrgPerson"], {"mail": "other@example.tld", "cn": "x", "sn": "x"})
    refused(connection, 68)
    bob = f"uid=bob,{people}"
    done(connection, connection.add(bob, ["inetOrgPerson"], {"mail": "bob@example.tld", "cn": "Bob", "sn": "B"}))
    entry = one(connection, ada)
    assert sorted(entry.mail.values) == ["ada.okafor@example.tld", "ada@example.tld"], entry.mail
    assert (entry.cn.value, entry.homeDirectory.value) == ("Ada Okafor", "/srv/ada"), entry

    done(connection, connection.modify(ada, {
        "sn": [(MODIFY_REPLACE, ["Lovelace"])],
        "mail": [(MODIFY_DELETE, ["ada.okafor@example.tld"]), (MODIFY_ADD, ["ada@example.org"])],
        "sshPublicKey": [(MODIFY_ADD, ["ssh-ed25519 AAAA one", "ssh-ed25519 AAAA two"])],
        "uidNumber": [(MODIFY_INCREMENT, [5])],
    }))
    entry = one(connection, ada)
    assert (entry.sn.value, entry.uidNumber.value, len(entry.sshPublicKey)) == ("Lovelace", 300006, 2), entry
    assert sorted(entry.mail.values) == ["ada@example.org", "ada@example.tld"], entry.mail
    # All of it or nothing.
    connection.modify(ada, {"sn": [(MODIFY_REPLACE, ["Byron"])], "givenName": [(MODIFY_DELETE, ["Bob"])]})
    refused(connection, 16)
    assert one(connection, ada).sn.value == "Lovelace"

    name = 'Odd, "name" #1 + <more>; = \\ é'
    odd = f"cn={escape_rdn(name)},{groups}"
    done(connection, connection.add(odd, ["groupOfNames"], {"member": [ada]}))
    done(connection, connection.search(groups, f"(cn={escape_filter_chars(name)})", LEVEL, attributes=["cn", "member"]))
    assert connection.entries[0].cn.value == name, connection.entries
    done(connection, connection.modify(odd, {"member": [(MODIFY_ADD, [bob])]}))
    assert sorted(one(connection, odd).member.values) == sorted([ada, bob])
    assert len(one(connection, bob, ["memberOf"]).memberOf.values) == 1
    done(connection, connection.modify_dn(odd, "cn=staff of ada"))
    staff = f"cn=staff of ada,{groups}"
    assert one(connection, bob, ["memberOf"]).memberOf.value == staff
    done(connection, connection.modify_dn(bob, "uid=robert"))
    bob = f"uid=robert,{people}"
    assert sorted(one(connection, staff).member.values) == sorted([ada, bob])
    assert connection.compare(ada, "mail", "ADA@example.tld") and not connection.compare(ada, "mail", "x@example.tld")
    done(connection, connection.delete(bob))
    assert one(connection, staff).member.values == [ada]
    connection.delete(bob)
    refused(connection, 32)

    # The abstraction layer writes what the schema allows.
    cursor = Reader(connection, ObjectDef(["inetOrgPerson"], connection), people, "uid: ada")
    cursor.search()
    writer = Writer.from_cursor(cursor)
    writer[0].givenName = "Augusta"
    writer.commit()
    assert one(connection, ada).givenName.value == "Augusta"
    connection.unbind()


def pictures():
    """A picture goes in and comes back as one of the server's own."""
    connection = connected()
    ada = f"uid=ada,{people}"
    done(connection, connection.modify(ada, {"jpegPhoto": [(MODIFY_REPLACE, [bytes.fromhex(told["picture"])])]}))
    picture = one(connection, ada, ["jpegPhoto"]).jpegPhoto.raw_values[0]
    assert picture[:3] == b"\xff\xd8\xff", picture[:16]
    done(connection, connection.search(people, "(jpegPhoto=*)", attributes=["uid"]))
    assert names(connection) == [ada], names(connection)
    done(connection, connection.modify(ada, {"jpegPhoto": [(MODIFY_DELETE, [])]}))
    connection.unbind()


def results_in_pages():
    connection = connected()
    done(connection, connection.search(base, "(objectClass=*)", SUBTREE))
    everything = names(connection)
    for size in [1, 3, 1000]:
        found = connection.extend.standard.paged_search(
            base, "(objectClass=*)", SUBTREE, attributes=["objectClass"], paged_size=size, generator=False)
        # The library turns each page round.
        assert sorted(entry["dn"] for entry in found) == sorted(everything), (size, found)
    connection.search(base, "(objectClass=*)", SUBTREE, size_limit=2)
    assert (connection.result["result"], len(connection.entries)) == (4, 2), connection.result
    connection.unbind()


def searches():
    """Every kind of filter, every scope, what is in groups through others, and conditions."""
    connection = connected()
    ada, outer, inner = f"uid=ada,{people}", f"cn=outer,{groups}", f"cn=inner,{groups}"
    done(connection, connection.add(inner, ["groupOfNames"], {"member": [ada]}))
    done(connection, connection.add(outer, ["groupOfNames"], {"member": [inner]}))
    for where, filter, scope, found in [
        (people, "(uid=ADA)", SUBTREE, [ada]),
        (people, "(mail=ada@example.*)", LEVEL, [ada]),
        (people, "(&(sn=L*)(!(sn=*x)))", LEVEL, [ada]),
        (people, "(&(uidNumber>=300006)(uidNumber<=300006))", LEVEL, [ada]),
        (people, "(sn~=LOVELACE)", LEVEL, [ada]),
        (people, "(sn:caseIgnoreMatch:=lovelace)", LEVEL, [ada]),
        (people, "(&(uid=ada)(ou:dn:=people))", LEVEL, [ada]),
        (people, "(createTimestamp<=20200101000000Z)", LEVEL, []),
        (people, "(&(uid=ada)(sshPublicKey=*AAAA*))", LEVEL, [ada]),
        (base, f"(&(uid=ada)(memberOf={outer}))", SUBTREE, [ada]),
        (base, f"(member:1.2.840.113556.1.4.1941:={ada})", SUBTREE, [inner, outer, f"cn=staff of ada,{groups}"]),
        (base, f"(&(cn=outer)(member={ada}))", SUBTREE, []),
        (ada, "(objectClass=*)", SUBTREE, [ada]),
        (ada, "(objectClass=*)", LEVEL, []),
        (base, "(objectClass=organizationalUnit)", LEVEL, [people, groups]),
    ]:
        connection.search(where, filter, scope)
        assert connection.result["result"] == 0 and sorted(names(connection)) == sorted(found), (filter, names(connection))
    connection.search(ada, "(objectClass=*)", BASE, attributes=["mail"], types_only=True)
    assert connection.response[0]["attributes"]["mail"] == [], connection.response
    connection.search(f"uid=nobody,{people}", "(objectClass=*)", BASE)
    refused(connection, 32)
    assert connection.result["dn"] == people, connection.result
    for condition, code in [("(sn=Byron)", 122), ("(sn=Lovelace)", 0)]:
        parsed = parse_filter(condition, None, False, False, None, False)
        only_if = build_control("1.3.6.1.1.12", True, compile_filter(parsed.elements[0]))
        connection.modify(ada, {"sn": [(MODIFY_REPLACE, ["Lovelace"])]}, controls=[only_if])
        refused(connection, code)
    for group in [outer, inner]:
        done(connection, connection.delete(group))
    connection.unbind()


def passwords():
    """Set, changed with the old one, made by the server; and whoever is bound."""
    connection = connected()
    ada = f"uid=ada,{people}"
    assert connection.extend.standard.who_am_i() == f"dn:{told['admin']}", connection.result
    made = connection.extend.standard.modify_password(ada)
    assert isinstance(made, str) and len(made) >= 12, (made, connection.result)
    connected(ada, made).unbind()
    done(connection, connection.extend.standard.modify_password(ada, new_password="set by an administrator"))
    try:
        connected(ada, made)
        raise AssertionError("the old password still works")
    except LDAPExceptionError:
        pass
    own = connected(ada, "set by an administrator")
    own.extend.standard.modify_password(ada, "not the old one", "chosen by herself, long")
    assert own.result["result"] != 0, own.result
    done(own, own.extend.standard.modify_password(ada, "set by an administrator", "chosen by herself, long"))
    own.unbind()
    own = connected(ada, "chosen by herself, long")
    assert own.extend.standard.who_am_i() == f"dn:{ada}"
    own.modify(f"uid=admin,{people}", {"sn": [(MODIFY_REPLACE, ["x"])]})
    assert own.result["result"] in (32, 50), own.result
    own.unbind()


def encrypted():
    """StartTLS before the bind, and LDAPS."""
    connection = Connection(server(), told["admin"], told["password"], check_names=True)
    connection.open()
    assert connection.start_tls(), connection.result
    assert connection.bind(), connection.result
    assert connection.tls_started and one(connection, told["admin"])
    connection.unbind()
    connection = connected(url=told["ldaps"])
    assert one(connection, told["admin"])
    connection.unbind()


for act in [what_the_server_tells, names_and_values_are_typed, entries_are_written, pictures, results_in_pages,
            searches, passwords, encrypted]:
    act()
    print(act.__name__, flush=True)
