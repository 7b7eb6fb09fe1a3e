//! A new attribute, and who has, sees and changes one that is there; a new object class.

use askama::Template;
use axum::response::Response;
use ostiary_app::{AdminError, AttributeFlags, NewAttribute, NewObjectClass};
use ostiary_httpkit::routes::{ATTRIBUTES, below};
use ostiary_httpkit::{CsrfForm, Path, Problem};
use ostiary_model::{AttributeDef, AttributeKind};

use super::attributes::{KINDS, href, kind_words};
use super::keeper::{Keeper, Rail, Section};
use super::person_form::Up;
use super::typed::Typed;
use crate::done::{Done, Note};
use crate::form::{self, Field};
use crate::frame::Frame;
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "panel/attribute_form.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) up: Up,
    pub(crate) heading: String,
    pub(crate) lead: String,
    pub(crate) verb: &'static str,
    /// Where an attribute is deleted that can be.
    pub(crate) delete: Option<String>,
    pub(crate) what: What,
    pub(crate) form: Fields,
}

/// What the form is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A new attribute.
    New,
    /// One that is there.
    Known,
    /// One that is always there, on people.
    BuiltIn,
    /// A new object class.
    Class,
}

impl What {
    pub(crate) fn is_named(self) -> bool {
        matches!(self, Self::New | Self::Class)
    }

    pub(crate) fn has_kind(self) -> bool {
        self == Self::New
    }

    pub(crate) fn has_bearers(self) -> bool {
        self != Self::BuiltIn
    }

    pub(crate) fn has_readers(self) -> bool {
        self != Self::Class
    }
}

/// The form as it stands on the page.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) name: Field,
    pub(crate) kinds: Vec<Choice>,
    pub(crate) is_list: bool,
    pub(crate) on_users: bool,
    pub(crate) on_groups: bool,
    pub(crate) bearers_error: Option<String>,
    pub(crate) is_visible: bool,
    pub(crate) is_editable: bool,
}

/// What values can be.
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) label: &'static str,
    pub(crate) is_chosen: bool,
}

/// What comes in.
type Sent = CsrfForm<Vec<(String, String)>>;

/// The empty form.
pub(crate) async fn show_new(keeper: Keeper) -> Response {
    let form = Fields { kinds: kinds(""), on_users: true, is_visible: true, ..Fields::default() };
    keeper.ok(&new_page(&keeper, form))
}

/// Adds the attribute.
pub(crate) async fn submit_new(keeper: Keeper, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let typed = Typed::new(sent);
    let form = Fields::typed(&typed);
    let kind = AttributeKind::parse(typed.needed("kind")?);
    let kind = kind.map_err(|_| Problem::unreadable("The form names a kind of values that there is not"))?;
    let new = NewAttribute {
        name: typed.needed("name")?.to_owned(),
        kind,
        is_list: form.is_list,
        on_users: form.on_users,
        on_groups: form.on_groups,
        is_visible: form.is_visible,
        is_editable: form.is_editable,
    };
    match keeper.app().attribute_add(&keeper.door.ctx, &new).await {
        Ok(def) => Ok(keeper.done(ATTRIBUTES, &Note::new(Done::AttributeAdded, def.name.as_str()))),
        Err(error) => refused(&keeper, new_page(&keeper, form), error),
    }
}

/// What can be different about an attribute.
pub(crate) async fn show_edit(keeper: Keeper, Path(number): Path) -> Result<Response, Problem> {
    let def = named(&keeper, &number)?;
    let form = Fields {
        on_users: def.on_users,
        on_groups: def.on_groups,
        is_visible: def.is_visible,
        is_editable: def.is_editable,
        ..Fields::default()
    };
    Ok(keeper.ok(&edit_page(&keeper, &def, form)))
}

/// Saves it.
pub(crate) async fn submit_edit(keeper: Keeper, Path(number): Path, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let def = named(&keeper, &number)?;
    let form = Fields::typed(&Typed::new(sent));
    let bearer = |is_one: bool| (!def.is_built_in()).then_some(is_one);
    let flags = AttributeFlags {
        on_users: bearer(form.on_users),
        on_groups: bearer(form.on_groups),
        is_visible: Some(form.is_visible),
        is_editable: Some(form.is_editable),
    };
    match keeper.app().attribute_change(&keeper.door.ctx, def.number, &flags).await {
        Ok(()) => Ok(keeper.done(ATTRIBUTES, &Note::new(Done::AttributeSaved, def.name.as_str()))),
        Err(error) => refused(&keeper, edit_page(&keeper, &def, form), error),
    }
}

/// The empty form of an object class.
pub(crate) async fn show_new_class(keeper: Keeper) -> Response {
    keeper.ok(&class_page(&keeper, Fields { on_users: true, ..Fields::default() }))
}

/// Adds the object class.
pub(crate) async fn submit_new_class(keeper: Keeper, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let typed = Typed::new(sent);
    let form = Fields::typed(&typed);
    let name = typed.needed("name")?.to_owned();
    let new = NewObjectClass { name, on_users: form.on_users, on_groups: form.on_groups };
    match keeper.app().object_class_add(&keeper.door.ctx, &new).await {
        Ok(()) => Ok(keeper.done(ATTRIBUTES, &Note::new(Done::ClassAdded, new.name.trim()))),
        Err(error) => refused(&keeper, class_page(&keeper, form), error),
    }
}

/// The attribute with this number.
pub(super) fn named(keeper: &Keeper, number: &str) -> Result<AttributeDef, Problem> {
    let schema = keeper.app().directory().schema();
    let def = number.parse().ok().and_then(|number| schema.def(number)).cloned();
    def.ok_or_else(|| {
        Problem::new(http::StatusCode::NOT_FOUND, "There is no such attribute")
            .text("It may have been deleted.")
            .way("Go to Attributes", ATTRIBUTES)
    })
}

impl Fields {
    fn typed(typed: &Typed) -> Self {
        Self {
            name: Field::new(typed.text("name")),
            kinds: kinds(typed.text("kind")),
            is_list: typed.is_ticked("is_list"),
            on_users: typed.is_ticked("on_users"),
            on_groups: typed.is_ticked("on_groups"),
            bearers_error: None,
            is_visible: typed.is_ticked("is_visible"),
            is_editable: typed.is_ticked("is_editable"),
        }
    }
}

/// What values can be, to choose from.
pub(super) fn kinds(chosen: &str) -> Vec<Choice> {
    KINDS.map(|(kind, label)| Choice { value: kind.as_str(), label, is_chosen: kind.as_str() == chosen }).into()
}

fn refused(keeper: &Keeper, mut page: Page, error: AdminError) -> Result<Response, Problem> {
    let is_of_bearers = matches!(error, AdminError::Guard(_));
    let is_of_name = matches!(error, AdminError::Name(_) | AdminError::Reserved { .. } | AdminError::Conflict(_));
    let (about, words) = form::refusal(error)?;
    page.notice = Some(match is_of_bearers || is_of_name {
        true => Notice::bad("One field needs another look").line(&words),
        false => form::notice(about, &words),
    });
    if is_of_bearers {
        page.form.bearers_error = Some(words);
    } else if is_of_name {
        page.form.name.error = Some(words);
    }
    Ok(keeper.again(&page))
}

fn up() -> Up {
    Up { href: ATTRIBUTES.to_owned(), label: "Attributes".to_owned() }
}

fn new_page(keeper: &Keeper, form: Fields) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Attributes),
        notice: None,
        up: up(),
        heading: "Add an attribute".to_owned(),
        lead: "What its values are, and whether there may be several, cannot be changed later.".to_owned(),
        verb: "Add",
        delete: None,
        what: What::New,
        form,
    }
}

fn edit_page(keeper: &Keeper, def: &AttributeDef, form: Fields) -> Page {
    let kind = kind_words(def.kind, def.is_list);
    let is_built_in = def.is_built_in();
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Attributes),
        notice: None,
        up: up(),
        heading: format!("Attribute {}", def.name.as_str()),
        lead: match is_built_in {
            true => format!("{kind}. Systems that people log in to ask for it, so it stays, on people."),
            false => format!("{kind}."),
        },
        verb: "Save",
        delete: (!is_built_in).then(|| below(&href(def), "delete")),
        what: if is_built_in { What::BuiltIn } else { What::Known },
        form,
    }
}

fn class_page(keeper: &Keeper, form: Fields) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Attributes),
        notice: None,
        up: up(),
        heading: "Add an object class".to_owned(),
        lead: "For programs that look for people or groups of a class of their own.".to_owned(),
        verb: "Add",
        delete: None,
        what: What::Class,
        form,
    }
}
