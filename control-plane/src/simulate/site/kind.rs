//! Kinds of sites: how large they are, what their paths are called.

use super::Asset;
use crate::simulate::dice::Dice;
use crate::simulate::purpose::Purpose;

/// What kind of site it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Blog,
    /// Goods, and lists of them that are narrowed down by facets in the query.
    Shop,
    Docs,
    /// A single-page app with an API.
    App,
    /// A host of files and data sets: hardly any assets.
    Files,
    Wiki,
    WordPress,
    /// Threads by query, attachments by script.
    Forum,
    /// An API that an app of its own uses, and pages that tell of it.
    Service,
}

/// How large a site of a kind is, each from and to.
pub(super) struct Extent {
    pub(super) pages: (usize, usize),
    pub(super) shared: (usize, usize),
    pub(super) images: (usize, usize),
    pub(super) files: usize,
    pub(super) calls: usize,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Blog,
        Self::Shop,
        Self::Docs,
        Self::App,
        Self::Files,
        Self::Wiki,
        Self::WordPress,
        Self::Forum,
        Self::Service,
    ];

    /// As tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blog => "blog",
            Self::Shop => "shop",
            Self::Docs => "docs",
            Self::App => "app",
            Self::Files => "files",
            Self::Wiki => "wiki",
            Self::WordPress => "wordpress",
            Self::Forum => "forum",
            Self::Service => "service",
        }
    }

    pub(super) fn extent(self) -> Extent {
        let (pages, shared, images, files, calls) = match self {
            Self::Blog => ((60, 250), (1, 8), (0, 4), 12, 0),
            Self::Shop => ((120, 400), (4, 12), (1, 9), 4, 8),
            Self::Docs => ((40, 200), (1, 7), (0, 1), 10, 0),
            Self::App => ((6, 20), (4, 14), (0, 3), 0, 30),
            Self::Files => ((12, 40), (1, 4), (0, 0), 400, 0),
            Self::Wiki => ((150, 500), (2, 6), (0, 5), 6, 2),
            Self::WordPress => ((40, 200), (4, 14), (0, 6), 6, 0),
            Self::Forum => ((80, 300), (2, 8), (0, 6), 8, 0),
            Self::Service => ((8, 30), (2, 8), (0, 2), 4, 40),
        };
        Extent { pages, shared, images, files, calls }
    }

    pub(super) fn path(self, number: usize) -> String {
        if number == 0 {
            return "/".to_owned();
        }
        match (self, number % 8) {
            (Self::Blog, 0) => format!("/tags/topic-{number}"),
            (Self::Blog, 1) => format!("/archive/{}/", 2000 + number % 26),
            (Self::Blog, _) => format!("/posts/entry-{number}.html"),
            (Self::Shop, 0) => format!("/category/{number}"),
            (Self::Shop, 1) => format!("/brand/{number}/sale"),
            (Self::Shop, _) => format!("/product/{number}"),
            (Self::Docs, 0) => format!("/docs/guide/part-{number}/"),
            (Self::Docs, _) => format!("/docs/reference/topic-{number}.html"),
            (Self::App, _) => format!("/app/view-{number}"),
            (Self::Files, 0) => format!("/about/notes-{number}.html"),
            (Self::Files, _) => format!("/data/set-{number}/"),
            (Self::Wiki, 0) => format!("/wiki/Category:{number}"),
            (Self::Wiki, _) => format!("/wiki/Article_{number}"),
            (Self::WordPress, 0) => format!("/category/topic-{number}/"),
            (Self::WordPress, _) => format!("/2026/{:02}/entry-{number}/", 1 + number % 12),
            (Self::Forum, 0) => format!("/forumdisplay.php?fid={number}"),
            (Self::Forum, 1) => format!("/member.php?action=profile&uid={number}"),
            (Self::Forum, _) => format!("/showthread.php?tid={number}"),
            (Self::Service, 0) => format!("/developers/guide-{number}"),
            (Self::Service, _) => format!("/help/topic-{number}"),
        }
    }

    pub(super) fn file(self, number: usize) -> String {
        let ending = ["gz", "zip", "csv", "pdf", "log", "tar.gz", "7z", "txt"][number % 8];
        match self {
            Self::Files => format!("/data/set-{}/part-{number}.{ending}", number % 30),
            _ => format!("/files/download-{number}.{ending}"),
        }
    }

    /// A call of the site's scripts or app.
    pub(super) fn call(self, number: usize) -> String {
        match (self, number % 4) {
            (Self::Service, 0) => "/v1/feed".to_owned(),
            (Self::Service, 1) => "/graphql".to_owned(),
            (Self::Service, _) => format!("/v1/items/{number}"),
            _ => format!("/api/items/{number}"),
        }
    }

    /// The number-th thing that all pages load.
    pub(super) fn shared(self, number: usize) -> Asset {
        let (name, ending, purpose) = [
            ("style", "css", Purpose::Style),
            ("theme", "css", Purpose::Style),
            ("main", "js", Purpose::Script),
            ("logo", "png", Purpose::Image),
            ("vendor", "js", Purpose::Script),
            ("text", "woff2", Purpose::Font),
            ("chunk", "js", Purpose::Script),
            ("sprite", "svg", Purpose::Image),
        ][number % 8];
        let path = match (self, purpose) {
            (Self::WordPress, Purpose::Script) => format!("/wp-includes/js/{name}-{number}.{ending}?ver=6.9"),
            (Self::WordPress, _) => format!("/wp-content/themes/one/{name}-{number}.{ending}?ver=6.9"),
            _ => format!("/assets/{name}-{number}.{ending}"),
        };
        Asset { path, status: 200, purpose }
    }

    /// The number-th image of a page.
    pub(super) fn image(self, page: usize, number: usize, dice: &mut Dice) -> Asset {
        let ending = dice.pick(&["jpg", "png", "webp", "gif"]);
        let status = if dice.chance(0.01) { 404 } else { 200 };
        let path = match (self, number % 2) {
            (Self::Forum, 0) => format!("/attachment.php?aid={}", 10 * page + number),
            (Self::Forum, _) => format!("/uploads/avatars/avatar_{}.{ending}", (7 * page + number) % 90),
            (Self::WordPress, _) => format!("/wp-content/uploads/2026/05/picture-{page}-{number}.{ending}"),
            _ => format!("/images/{page}/picture-{number}.{ending}"),
        };
        Asset { path, status, purpose: Purpose::Image }
    }
}
