//! Byte by byte: what RFC 4511 says about messages, binds and operations, and what happens to
//! those that do not keep to it.

use anyhow::{Context, Result};
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapAddRequest, LdapBindCred, LdapBindRequest, LdapCompareRequest, LdapExtendedRequest, LdapFilter,
    LdapModifyDNRequest, LdapModifyRequest, LdapOp, LdapResultCode, LdapSearchScope, SaslCredentials,
};
use ostiary_tests::{Pair, Setup};

use super::{BASE, House, Wire, bind, encoded, equal, everything, person_query, query, result_of};

/// One server for all of this: it is about the door alone, not about what stands behind it.
#[tokio::test]
async fn the_protocol_is_kept() -> Result<()> {
    let house = House::start(Setup::on(Pair::Embedded)).await?;
    what_is_no_message_ends_the_connection(&house).await?;
    binds(&house).await?;
    a_failed_bind_leaves_nobody(&house).await?;
    what_is_not_allowed_is_refused(&house).await?;
    extended_operations(&house).await?;
    answers_come_in_order(&house).await?;
    filters_of_any_shape(&house).await?;
    searches_have_ends(&house).await?;
    pages(&house).await?;
    the_root_and_the_schema(&house).await
}

async fn code_of(wire: &mut Wire, op: LdapOp) -> Result<LdapResultCode> {
    Ok(result_of(&wire.ask(op).await?.op)?.code.clone())
}

fn simple(version: i64, dn: &str, cred: LdapBindCred) -> LdapOp {
    LdapOp::BindRequest(LdapBindRequest { version, dn: dn.to_owned(), cred })
}

async fn what_is_no_message_ends_the_connection(house: &House) -> Result<()> {
    let too_deep = (0..200).fold(LdapFilter::Present("cn".into()), |inner, _| LdapFilter::Not(Box::new(inner)));
    let too_deep = LdapOp::SearchRequest(query(BASE, LdapSearchScope::Subtree, too_deep, &[]));
    let too_deep = encoded(1, too_deep, Vec::new())?;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00",
        b"\x30\x80\x02\x01\x01\x42\x00\x00\x00",
        b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01",
        b"\x30\x85\x00\x00\x00\x00\x07\x02\x01\x01\x42\x00",
        b"\x30\x82\x20\x00\x02\x01\x01",
        b"\x30\x05\x02\x01\x00\x42\x00",
        b"\x30\x05\x02\x01\xff\x42\x00",
        b"\x30\x05\x02\x01\x01\x61\x00",
        b"\x30\x05\x02\x01\x01\x7e\x00",
        b"\x30\x05\x04\x01\x01\x42\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x00",
        b"\x30\x07\x02\x01\x01\x60\x02\x02\x09",
        &too_deep,
    ] {
        let mut wire = house.wire().await?;
        wire.bytes(bytes).await?;
        let code = wire.goodbye().await.with_context(|| format!("{bytes:02x?}"))?;
        assert_eq!(code, LdapResultCode::ProtocolError, "{bytes:02x?}");
    }
    // A good message before it is answered first.
    let mut wire = house.wire().await?;
    let mut bytes = encoded(5, bind(&house.ostiary.person_dn("bob")?, &house.bob.password), Vec::new())?;
    bytes.extend_from_slice(b"nonsense");
    wire.bytes(&bytes).await?;
    let answer = wire.receive().await?.context("closed")?;
    assert_eq!((answer.msgid, &result_of(&answer.op)?.code), (5, &LdapResultCode::Success));
    assert_eq!(wire.goodbye().await?, LdapResultCode::ProtocolError);
    // What is whole but not what its operation wants is answered as that operation.
    let mut wire = house.wire().await?;
    wire.bytes(b"\x30\x0a\x02\x01\x09\x63\x05\x04\x03\xff\xfe\xfd").await?;
    let answer = wire.receive().await?.context("closed")?;
    assert!(matches!(answer.op, LdapOp::SearchResultDone(_)) && answer.msgid == 9, "{answer:?}");
    assert_eq!(result_of(&answer.op)?.code, LdapResultCode::ProtocolError);
    Ok(())
}

async fn binds(house: &House) -> Result<()> {
    let (dn, password) = (house.ostiary.person_dn("bob")?, house.bob.password.as_str());
    let with = |text: &str| LdapBindCred::Simple(text.to_owned());
    let sasl = LdapBindCred::SASL(SaslCredentials { mechanism: "PLAIN".into(), credentials: b"\0bob\0x".to_vec() });
    let table = [
        (simple(3, &dn, with(password)), LdapResultCode::Success),
        (simple(3, &dn.to_uppercase(), with(password)), LdapResultCode::Success),
        (simple(3, "cn=bob, ou=people, dc=localhost", with(password)), LdapResultCode::Success),
        (simple(3, &dn, with("wrong")), LdapResultCode::InvalidCredentials),
        (simple(3, "uid=nobody,ou=people,dc=localhost", with(password)), LdapResultCode::InvalidCredentials),
        (simple(3, "cn=Staff\\, all,ou=groups,dc=localhost", with(password)), LdapResultCode::InvalidCredentials),
        (simple(3, "uid=carla,ou=people,dc=localhost", with("x")), LdapResultCode::InvalidCredentials),
        (simple(3, "dc=localhost", with(password)), LdapResultCode::InvalidCredentials),
        (simple(3, "uid=bob,dc=elsewhere", with(password)), LdapResultCode::InvalidCredentials),
        (simple(3, "", with(password)), LdapResultCode::InvalidCredentials),
        (simple(3, "", with("")), LdapResultCode::InappropriateAuthentication),
        (simple(3, &dn, with("")), LdapResultCode::UnwillingToPerform),
        (simple(3, "bob", with(password)), LdapResultCode::InvalidDNSyntax),
        (simple(2, &dn, with(password)), LdapResultCode::ProtocolError),
        (simple(4, &dn, with(password)), LdapResultCode::ProtocolError),
        (simple(3, &dn, sasl), LdapResultCode::AuthMethodNotSupported),
    ];
    let mut wire = house.wire().await?;
    for (request, code) in table {
        let shown = format!("{request:?}");
        let answer = wire.ask(request).await?;
        let result = result_of(&answer.op)?;
        assert!(matches!(answer.op, LdapOp::BindResponse(_)));
        assert_eq!(result.code, code, "{shown}");
        if code == LdapResultCode::InvalidCredentials {
            assert_eq!((result.message.as_str(), result.matcheddn.as_str()), ("", ""), "{shown}");
        }
    }
    Ok(())
}

async fn a_failed_bind_leaves_nobody(house: &House) -> Result<()> {
    let svc = house.ostiary.person_dn("svc")?;
    for failing in
        [bind(&svc, "wrong"), bind("", ""), bind("x", "y"), simple(2, &svc, LdapBindCred::Simple("x".into()))]
    {
        let mut wire = house.bound(&house.svc).await?;
        assert_eq!(wire.search(person_query("bob"), Vec::new()).await?.names().len(), 1);
        assert_ne!(code_of(&mut wire, failing).await?, LdapResultCode::Success);
        let found = wire.search(person_query("bob"), Vec::new()).await?;
        assert_eq!((found.names().len(), found.result.code), (0, LdapResultCode::InsufficentAccessRights));
        assert_eq!(wire.bind(&svc, &house.svc.password).await?, LdapResultCode::Success, "and may bind again");
    }
    Ok(())
}

async fn what_is_not_allowed_is_refused(house: &House) -> Result<()> {
    let dn = house.ostiary.person_dn("bob")?;
    let mut wire = house.bound(&house.svc).await?;
    let eve = dn.replace("bob", "eve");
    let table = [
        LdapOp::AddRequest(LdapAddRequest { dn: eve, attributes: Vec::new() }),
        LdapOp::ModifyRequest(LdapModifyRequest { dn: dn.clone(), changes: Vec::new() }),
        LdapOp::DelRequest(dn.clone()),
        LdapOp::ModifyDNRequest(LdapModifyDNRequest {
            dn: dn.clone(),
            newrdn: "uid=x".into(),
            deleteoldrdn: true,
            new_superior: None,
        }),
    ];
    for request in table {
        let answer = wire.ask(request.clone()).await?;
        assert_eq!(result_of(&answer.op)?.code, LdapResultCode::InsufficentAccessRights, "{request:?}");
    }
    let unknown = |criticality| vec![LdapControl::Unknown { oid: "1.2.3".into(), criticality, value: None }];
    let compare =
        LdapOp::CompareRequest(LdapCompareRequest { dn: dn.clone(), atype: "uid".into(), val: b"bob".to_vec() });
    for (controls, code) in
        [(unknown(true), LdapResultCode::UnavailableCriticalExtension), (unknown(false), LdapResultCode::CompareTrue)]
    {
        let answer = wire.ask_with(compare.clone(), controls).await?;
        assert!(matches!(answer.op, LdapOp::CompareResult(_)));
        assert_eq!(result_of(&answer.op)?.code, code);
    }
    // Sorting would be known to the decoder, not to us; a bind with a control that is unknown binds nobody.
    let answer = wire.ask_with(bind(&dn, &house.bob.password), unknown(true)).await?;
    assert_eq!(result_of(&answer.op)?.code, LdapResultCode::UnavailableCriticalExtension);
    let found = wire.search(everything(BASE), Vec::new()).await?;
    assert_eq!(found.result.code, LdapResultCode::InsufficentAccessRights);
    Ok(())
}

async fn extended_operations(house: &House) -> Result<()> {
    let ask = |name: &str, value: Option<Vec<u8>>| {
        LdapOp::ExtendedRequest(LdapExtendedRequest { name: name.to_owned(), value })
    };
    let mut wire = house.wire().await?;
    let answer = wire.ask(ask("1.3.6.1.4.1.4203.1.11.3", None)).await?;
    let LdapOp::ExtendedResponse(response) = answer.op else { panic!("{answer:?}") };
    assert_eq!((response.res.code, response.value), (LdapResultCode::Success, Some(Vec::new())), "anonymous");
    for (name, code) in [
        ("1.3.6.1.4.1.1466.20037", LdapResultCode::ProtocolError),
        ("1.2.3.4", LdapResultCode::ProtocolError),
        ("1.3.6.1.4.1.4203.1.11.1", LdapResultCode::InsufficentAccessRights),
    ] {
        assert_eq!(code_of(&mut wire, ask(name, None)).await?, code, "{name}");
    }
    assert_eq!(code_of(&mut wire, ask("1.3.6.1.4.1.4203.1.11.3", Some(vec![1]))).await?, LdapResultCode::ProtocolError);
    let mut wire = house.bound(&house.bob).await?;
    let answer = wire.ask(ask("1.3.6.1.4.1.4203.1.11.3", None)).await?;
    let LdapOp::ExtendedResponse(response) = answer.op else { panic!("{answer:?}") };
    assert_eq!(response.value.as_deref(), Some(&b"dn:uid=bob,ou=people,dc=localhost"[..]));
    // A value that is none is not taken for no value, which would mean: make a password.
    for value in [&b"\xa1\x02\x30\x00"[..], b"\x82\x00"] {
        let operation = [b"\x80\x171.3.6.1.4.1.4203.1.11.1", value].concat();
        let length = u8::try_from(operation.len())?;
        wire.bytes(&[&[0x30, length + 5, 0x02, 0x01, 0x63, 0x77, length], &operation[..]].concat()).await?;
        let answer = wire.receive().await?.context("closed")?;
        assert_eq!(result_of(&answer.op)?.code, LdapResultCode::ProtocolError);
    }
    let dn = house.ostiary.person_dn("bob")?;
    assert_eq!(wire.bind(&dn, &house.bob.password).await?, LdapResultCode::Success);
    Ok(())
}

async fn answers_come_in_order(house: &House) -> Result<()> {
    let mut wire = house.wire().await?;
    let svc = house.ostiary.person_dn("svc")?;
    let mut bytes = encoded(10, LdapOp::SearchRequest(person_query("bob")), Vec::new())?;
    for (id, op) in [
        (11, bind(&svc, &house.svc.password)),
        (12, LdapOp::SearchRequest(person_query("bob"))),
        (13, LdapOp::AbandonRequest(12)),
        (14, LdapOp::SearchRequest(person_query("carla"))),
        (15, bind(&svc, "wrong")),
        (16, LdapOp::SearchRequest(person_query("bob"))),
        (17, LdapOp::UnbindRequest),
        (18, LdapOp::SearchRequest(person_query("bob"))),
    ] {
        bytes.extend_from_slice(&encoded(id, op, Vec::new())?);
    }
    wire.bytes(&bytes).await?;
    let mut seen = Vec::new();
    while let Some(message) = wire.receive().await? {
        let code = result_of(&message.op).ok().map(|result| result.code.clone() as i64);
        seen.push((message.msgid, code));
    }
    assert_eq!(
        seen,
        [
            (10, Some(50)),
            (11, Some(0)),
            (12, None),
            (12, Some(0)),
            (14, None),
            (14, Some(0)),
            (15, Some(49)),
            (16, Some(50))
        ],
        "an abandon has no answer, and after an unbind nothing comes"
    );
    Ok(())
}

async fn filters_of_any_shape(house: &House) -> Result<()> {
    let mut wire = house.bound(&house.svc).await?;
    let nested = |levels| (0..levels).fold(equal("uid", "bob"), |inner, _| LdapFilter::And(vec![inner]));
    let wide = |terms| {
        LdapFilter::Or((0..terms).map(|n| equal("uid", &format!("u{n}"))).chain([equal("uid", "bob")]).collect())
    };
    for (filter, code, found) in [
        (nested(31), LdapResultCode::Success, 1),
        (nested(32), LdapResultCode::AdminLimitExceeded, 0),
        (nested(60), LdapResultCode::AdminLimitExceeded, 0),
        (wide(500), LdapResultCode::Success, 1),
        (wide(4000), LdapResultCode::Success, 1),
        (wide(5000), LdapResultCode::AdminLimitExceeded, 0),
        (LdapFilter::And(Vec::new()), LdapResultCode::Success, 11),
        (LdapFilter::Or(Vec::new()), LdapResultCode::Success, 0),
        (LdapFilter::Not(Box::new(equal("nonsense", "x"))), LdapResultCode::Success, 0),
        (LdapFilter::Approx("cn".into(), "ADA  okafor".into()), LdapResultCode::Success, 1),
        (LdapFilter::GreaterOrEqual("uid".into(), "carla".into()), LdapResultCode::Success, 6),
    ] {
        let shown = format!("{filter:?}").chars().take(80).collect::<String>();
        let answer = wire.search(query(BASE, LdapSearchScope::Subtree, filter, &["1.1"]), Vec::new()).await?;
        assert_eq!((answer.result.code, answer.entries.len()), (code, found), "{shown}");
    }
    // Bytes that are no text match nothing, and are no reason to part.
    let or = LdapFilter::Or(vec![equal("userCertificate", "XXXX"), equal("uid", "bob")]);
    let mut bytes =
        encoded(77, LdapOp::SearchRequest(query(BASE, LdapSearchScope::Subtree, or, &["1.1"])), Vec::new())?;
    let at = bytes.windows(4).position(|window| window == b"XXXX").context("the value")?;
    bytes[at..at + 4].copy_from_slice(b"\xff\xfe\x80\x00");
    wire.bytes(&bytes).await?;
    assert!(matches!(wire.receive().await?.context("closed")?.op, LdapOp::SearchResultEntry(_)));
    assert!(matches!(wire.receive().await?.context("closed")?.op, LdapOp::SearchResultDone(_)));
    Ok(())
}

async fn searches_have_ends(house: &House) -> Result<()> {
    let mut wire = house.bound(&house.svc).await?;
    for (limit, code, entries) in [
        (1, LdapResultCode::SizeLimitExceeded, 1),
        (10, LdapResultCode::SizeLimitExceeded, 10),
        (11, LdapResultCode::Success, 11),
        (0, LdapResultCode::Success, 11),
    ] {
        let mut request = everything(BASE);
        request.sizelimit = limit;
        request.timelimit = 30;
        let found = wire.search(request, Vec::new()).await?;
        assert_eq!((found.result.code, found.entries.len()), (code, entries), "at most {limit}");
    }
    let mut request = everything(BASE);
    request.sizelimit = -1;
    assert_eq!(wire.search(request, Vec::new()).await?.result.code, LdapResultCode::ProtocolError);
    for (base, code, matched) in [
        ("dc=elsewhere", LdapResultCode::NoSuchObject, ""),
        ("uid=nobody,ou=people,dc=localhost", LdapResultCode::NoSuchObject, "ou=people,dc=localhost"),
        ("ou=devices,dc=localhost", LdapResultCode::NoSuchObject, BASE),
        ("", LdapResultCode::NoSuchObject, ""),
        ("nonsense", LdapResultCode::InvalidDNSyntax, ""),
    ] {
        let found = wire.search(everything(base), Vec::new()).await?;
        assert_eq!((found.result.code, found.result.matcheddn.as_str()), (code, matched), "{base:?}");
    }
    Ok(())
}

async fn pages(house: &House) -> Result<()> {
    let page = |size, cookie: &[u8]| vec![LdapControl::SimplePagedResults { size, cookie: cookie.to_vec() }];
    let mut wire = house.bound(&house.svc).await?;
    let whole = wire.search(everything(BASE), Vec::new()).await?;
    let (mut names, mut cookie, mut first_cookie) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let found = wire.search(everything(BASE), page(4, &cookie)).await?;
        assert_eq!(found.result.code, LdapResultCode::Success);
        names.extend(found.names().into_iter().map(str::to_owned));
        let [LdapControl::SimplePagedResults { cookie: next, .. }] = &found.controls[..] else {
            panic!("{:?}", found.controls)
        };
        cookie.clone_from(next);
        if first_cookie.is_empty() {
            first_cookie.clone_from(next);
        }
        if cookie.is_empty() {
            break;
        }
        assert_eq!(found.entries.len(), 4);
    }
    assert_eq!(names, whole.names());
    // A cookie goes on once, with the search that it came from, on its own connection, until a bind.
    let again = wire.search(everything(BASE), page(4, &first_cookie)).await?;
    assert_eq!(again.result.code, LdapResultCode::UnwillingToPerform);
    let begin = async |wire: &mut Wire| {
        let found = wire.search(everything(BASE), page(4, b"")).await?;
        match &found.controls[..] {
            [LdapControl::SimplePagedResults { cookie, .. }] if !cookie.is_empty() => Ok(cookie.clone()),
            other => Err(anyhow::anyhow!("{other:?}")),
        }
    };
    let cookie = begin(&mut wire).await?;
    let other = wire.search(person_query("bob"), page(4, &cookie)).await?;
    assert_eq!(other.result.code, LdapResultCode::UnwillingToPerform);
    let cookie = begin(&mut wire).await?;
    let mut stranger = house.bound(&house.svc).await?;
    assert_eq!(
        stranger.search(everything(BASE), page(4, &cookie)).await?.result.code,
        LdapResultCode::UnwillingToPerform
    );
    let given_up = wire.search(everything(BASE), page(0, &cookie)).await?;
    assert_eq!((given_up.result.code, given_up.entries.len()), (LdapResultCode::Success, 0));
    let cookie = begin(&mut wire).await?;
    wire.bind(&house.ostiary.person_dn("bob")?, &house.bob.password).await?;
    assert_eq!(wire.search(everything(BASE), page(4, &cookie)).await?.result.code, LdapResultCode::UnwillingToPerform);
    // As many as may be sent at all fit on the first page: the size limit is what counts.
    let mut wire = house.bound(&house.svc).await?;
    let mut request = everything(BASE);
    request.sizelimit = 3;
    let found = wire.search(request, page(5, b"")).await?;
    assert_eq!((found.result.code, found.entries.len()), (LdapResultCode::SizeLimitExceeded, 3));
    Ok(())
}

async fn the_root_and_the_schema(house: &House) -> Result<()> {
    let present = || LdapFilter::Present("objectclass".into());
    let mut wire = house.wire().await?;
    let root = wire.search(query("", LdapSearchScope::Base, present(), &["+", "*"]), Vec::new()).await?;
    let value = |name: &str| {
        let attribute = root.entries[0].attributes.iter().find(|attribute| attribute.atype == name);
        attribute.map(|attribute| {
            attribute.vals.iter().map(|value| String::from_utf8(value.clone()).unwrap()).collect::<Vec<_>>()
        })
    };
    assert_eq!(value("namingContexts"), Some(vec![BASE.to_owned()]));
    assert_eq!(value("supportedLDAPVersion"), Some(vec!["3".to_owned()]));
    assert_eq!(value("vendorName"), Some(vec!["Ostiary".to_owned()]));
    assert_eq!(value("subschemaSubentry"), Some(vec!["cn=Subschema".to_owned()]));
    assert!(
        value("supportedExtension").is_some_and(|oids| !oids.contains(&"1.3.6.1.4.1.1466.20037".to_owned())),
        "no StartTLS"
    );
    let bare = wire.search(query("", LdapSearchScope::Base, present(), &[]), Vec::new()).await?;
    assert_eq!(bare.entries[0].attributes.len(), 1, "what the server can do is operational");
    let none = wire.search(query("", LdapSearchScope::Base, equal("cn", "x"), &[]), Vec::new()).await?;
    assert_eq!((none.result.code, none.entries.len()), (LdapResultCode::Success, 0));
    let schema = query("cn=Subschema", LdapSearchScope::Base, equal("objectClass", "subschema"), &["attributeTypes"]);
    assert!(wire.search(schema, Vec::new()).await?.entries[0].attributes[0].vals.len() > 20);
    Ok(())
}
