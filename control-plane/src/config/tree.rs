//! The configuration before it has types: a tree whose every value remembers where it was written.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Number, Value};
use serde_path_to_error::{Path, Segment};

use super::problem::{Origin, Problem};

/// Nesting beyond this is refused; the real configuration needs six levels.
const DEPTH_LIMIT: usize = 32;

/// A value, where it came from, and the key path under which the operator knows it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    /// The full key, such as `policy.login.routes[1].path`; stays right when a sibling is taken out.
    pub(super) key: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// An empty configuration.
    pub(super) fn empty(file: &str) -> Self {
        Self { origin: Origin::line(file, 1), key: String::new(), kind: Kind::Map(Vec::new()) }
    }

    /// Reads a YAML document; an empty one is an empty map.
    ///
    /// # Errors
    /// One problem with its line: bad syntax, several documents, a duplicate key, a tag.
    pub(super) fn from_yaml(file: &str, text: &str) -> Result<Self, Problem> {
        let mut documents = MarkedYaml::load_from_str(text).map_err(|error| {
            Problem::new(Origin::line(file, error.marker().line()), "", format!("not YAML: {}", error.info()))
        })?;
        if documents.len() > 1 {
            return Err(Problem::new(
                Origin::line(file, documents[1].span.start.line()),
                "",
                "a second document begins here; put everything into one and remove the `---`",
            ));
        }
        let Some(document) = documents.pop() else { return Ok(Self::empty(file)) };
        if matches!(document.data, YamlData::Value(Scalar::Null)) {
            return Ok(Self::empty(file));
        }
        let mut node = Self::from_marked(file, document, String::new(), 0)?;
        match &mut node.kind {
            Kind::Map(sections) => {
                // A section whose keys are all commented out is an empty one.
                let empty =
                    sections.iter_mut().filter(|(_, node)| matches!(node.kind, Kind::Scalar(Value::Null)));
                empty.for_each(|(_, node)| node.kind = Kind::Map(Vec::new()));
                Ok(node)
            }
            _ => Err(Problem::new(
                node.origin,
                "",
                "the file must hold sections, such as `server:` and `policy:`",
            )),
        }
    }

    /// Reads one YAML value written in an environment variable or a flag; what is not YAML is a string,
    /// and so is every secret and what may hold any character.
    pub(super) fn from_text(origin: Origin, key: &str, text: &str) -> Self {
        if key.starts_with("secrets.") || matches!(key, "store.path" | "server.host" | "redis.url") {
            return Self { origin, key: key.to_owned(), kind: Kind::Scalar(Value::String(text.to_owned())) };
        }
        let parsed = MarkedYaml::load_from_str(text).ok().and_then(|mut documents| documents.pop());
        let node = parsed.and_then(|value| Self::from_marked("", value, key.to_owned(), 0).ok());
        match node {
            Some(mut node) => {
                node.set_origin(&origin);
                node
            }
            None => Self { origin, key: key.to_owned(), kind: Kind::Scalar(Value::String(text.to_owned())) },
        }
    }

    /// Puts a value at a path of map keys, over what was there. A scalar on the way is replaced by a map.
    pub(super) fn put(&mut self, path: &[&str], value: Node) {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.kind, Kind::Map(_)) {
            self.kind = Kind::Map(Vec::new());
        }
        let Kind::Map(entries) = &mut self.kind else { return };
        let index = entries.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            let key = joined(&self.key, first);
            let kind = Kind::Map(Vec::new());
            entries.push(((*first).to_owned(), Node { origin: value.origin.clone(), key, kind }));
            entries.len() - 1
        });
        entries[index].1.put(rest, value);
    }

    /// The tree as JSON, for serde.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(name, node)| (name.clone(), node.to_json())).collect())
            }
        }
    }

    /// Takes the value at a path out of the tree and answers its origin and key; where the path ends
    /// early, the deepest value on it. `None` when only the root is left.
    pub(super) fn take(&mut self, path: &Path) -> Option<(Origin, String)> {
        let segments: Vec<&Segment> =
            path.iter().filter(|s| matches!(s, Segment::Map { .. } | Segment::Seq { .. })).collect();
        self.take_segments(&segments)
    }

    fn take_segments(&mut self, segments: &[&Segment]) -> Option<(Origin, String)> {
        let (first, rest) = segments.split_first()?;
        let index = match (&self.kind, first) {
            (Kind::Map(entries), Segment::Map { key }) => entries.iter().position(|(name, _)| name == key)?,
            (Kind::List(items), Segment::Seq { index }) if *index < items.len() => *index,
            _ => return None,
        };
        let child = match &mut self.kind {
            Kind::Map(entries) => &mut entries[index].1,
            Kind::List(items) => &mut items[index],
            Kind::Scalar(_) => return None,
        };
        if let Some(found) = child.take_segments(rest) {
            return Some(found);
        }
        let taken = match &mut self.kind {
            Kind::Map(entries) => entries.remove(index).1,
            Kind::List(items) => items.remove(index),
            Kind::Scalar(_) => return None,
        };
        Some((taken.origin, taken.key))
    }

    /// Where a key such as `policy.weights.model` or `ranges.files[0].path` was written, and its key as the
    /// operator knows it. List places count what is in this tree; a key that is not leads to its nearest parent.
    pub(super) fn locate(&self, key: &str) -> (Origin, String) {
        let key = key.trim_start_matches('.');
        let (name, rest) = match key.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((index, rest)) => (index, rest),
            None => key.split_at(key.find(['.', '[']).unwrap_or(key.len())),
        };
        let child = match &self.kind {
            Kind::Scalar(_) => None,
            Kind::List(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
            Kind::Map(entries) => entries.iter().find(|(entry, _)| entry == name).map(|(_, node)| node),
        };
        match child {
            Some(child) => child.locate(rest),
            None if key.is_empty() => (self.origin.clone(), self.key.clone()),
            None => (self.origin.clone(), joined(&self.key, key)),
        }
    }

    fn set_origin(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => items.iter_mut().for_each(|node| node.set_origin(origin)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.set_origin(origin)),
        }
    }

    fn from_marked(file: &str, yaml: MarkedYaml<'_>, key: String, depth: usize) -> Result<Self, Problem> {
        let origin = Origin::line(file, yaml.span.start.line());
        if depth > DEPTH_LIMIT {
            return Err(Problem::new(origin, key, "nested too deeply"));
        }
        let kind = match yaml.data {
            YamlData::Value(scalar) => Kind::Scalar(scalar_value(&scalar)),
            YamlData::Sequence(items) => {
                let nodes = items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| Self::from_marked(file, item, format!("{key}[{index}]"), depth + 1));
                Kind::List(nodes.collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(entries) => {
                let nodes = entries.into_iter().map(|(name, value)| {
                    let YamlData::Value(scalar) = &name.data else {
                        let at = Origin::line(file, name.span.start.line());
                        return Err(Problem::new(at, key.clone(), "a key must be a plain word"));
                    };
                    let text = match scalar_value(scalar) {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    let mut node = Self::from_marked(file, value, joined(&key, &text), depth + 1)?;
                    node.origin = Origin::line(file, name.span.start.line());
                    Ok((text, node))
                });
                Kind::Map(nodes.collect::<Result<_, _>>()?)
            }
            _ => return Err(Problem::new(origin, key, "tags such as `!name` mean nothing here; remove it")),
        };
        Ok(Self { origin, key, kind })
    }
}

fn joined(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(*value),
        Scalar::Integer(value) => Value::Number((*value).into()),
        // Infinities and not-a-number have no JSON form: they arrive as text and serde names the key.
        Scalar::FloatingPoint(value) => Number::from_f64(value.into_inner())
            .map_or_else(|| Value::String(value.to_string()), Value::Number),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}
