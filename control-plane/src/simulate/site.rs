//! The sites that are visited: small models of pages, what each page loads, and where it leads.

use super::dice::Dice;

/// What kind of site it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blog,
    Shop,
    Docs,
    /// A single-page app with an API.
    App,
    /// A host of files and data sets: hardly any assets.
    Files,
    Wiki,
}

/// One site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) kind: Kind,
    pub(super) host: String,
    /// The first is the front page; all are documents.
    pub(super) pages: Vec<Page>,
    /// What every page loads: styles, scripts, fonts, the logo.
    pub(super) shared: Vec<Asset>,
    /// Downloads, by path.
    pub(super) files: Vec<String>,
    /// API paths.
    pub(super) calls: Vec<String>,
    /// The front page's address redirects once, to another host or scheme.
    pub(super) redirects: bool,
    /// What the icon's request is answered.
    pub(super) icon_status: u16,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: String,
    pub(super) images: Vec<Asset>,
    /// Numbers of pages.
    pub(super) links: Vec<usize>,
}

/// Something that a page loads.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    pub(super) path: String,
    pub(super) status: u16,
}

/// How large a site of a kind is, each from and to.
struct Extent {
    pages: (usize, usize),
    shared: (usize, usize),
    images: (usize, usize),
    files: usize,
    calls: usize,
}

const KINDS: [Kind; 6] = [Kind::Blog, Kind::Shop, Kind::Docs, Kind::App, Kind::Files, Kind::Wiki];
const SITES_OF_A_KIND: usize = 4;
const DOMAIN: u64 = 1 << 32;

/// The sites of a seed.
pub(super) fn sites(seed: u64) -> Vec<Site> {
    let numbers = 0..KINDS.len() * SITES_OF_A_KIND;
    numbers
        .map(|number| {
            let mut dice = Dice::new(seed, DOMAIN, number as u64);
            Site::new(KINDS[number % KINDS.len()], number, &mut dice)
        })
        .collect()
}

impl Kind {
    fn extent(self) -> Extent {
        match self {
            Self::Blog => Extent { pages: (60, 250), shared: (1, 8), images: (0, 4), files: 12, calls: 0 },
            Self::Shop => Extent { pages: (120, 400), shared: (4, 12), images: (1, 9), files: 4, calls: 8 },
            Self::Docs => Extent { pages: (40, 200), shared: (1, 7), images: (0, 1), files: 10, calls: 0 },
            Self::App => Extent { pages: (6, 20), shared: (4, 14), images: (0, 3), files: 0, calls: 30 },
            Self::Files => Extent { pages: (12, 40), shared: (1, 4), images: (0, 0), files: 400, calls: 0 },
            Self::Wiki => Extent { pages: (150, 500), shared: (2, 6), images: (0, 5), files: 6, calls: 2 },
        }
    }

    fn path(self, number: usize) -> String {
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
        }
    }

    fn file(self, number: usize) -> String {
        let ending = ["gz", "zip", "csv", "pdf", "log", "tar.gz", "7z", "txt"][number % 8];
        match self {
            Self::Files => format!("/data/set-{}/part-{number}.{ending}", number % 30),
            _ => format!("/files/download-{number}.{ending}"),
        }
    }
}

impl Site {
    fn new(kind: Kind, number: usize, dice: &mut Dice) -> Self {
        let extent = kind.extent();
        let page_count = dice.between(extent.pages.0, extent.pages.1);
        let shared_count = dice.between(extent.shared.0, extent.shared.1);
        // A broken link to a style, as sites have it.
        let broken = dice.chance(0.3);
        let shared = (0..shared_count).map(|n| Asset::shared(n, broken && n == 1)).collect();
        let (fewest, most) = extent.images;
        let pages = (0..page_count)
            .map(|page| Page {
                path: kind.path(page),
                images: (0..dice.between(fewest, most))
                    .map(|image| Asset::image(page, image, dice))
                    .collect(),
                links: links(page, page_count, dice),
            })
            .collect();
        Self {
            kind,
            host: format!("www.site-{number}.example"),
            pages,
            shared,
            files: (0..extent.files).map(|file| kind.file(file)).collect(),
            calls: (0..extent.calls).map(|call| format!("/api/items/{call}")).collect(),
            redirects: dice.chance(0.35),
            icon_status: if dice.chance(0.7) { 200 } else { 404 },
        }
    }

    /// The whole address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }
}

impl Asset {
    fn shared(number: usize, broken: bool) -> Self {
        let (name, ending) = [
            ("style", "css"),
            ("theme", "css"),
            ("main", "js"),
            ("logo", "png"),
            ("vendor", "js"),
            ("text", "woff2"),
            ("chunk", "js"),
            ("sprite", "svg"),
        ][number % 8];
        let status = if broken { 404 } else { 200 };
        Self { path: format!("/assets/{name}-{number}.{ending}"), status }
    }

    fn image(page: usize, number: usize, dice: &mut Dice) -> Self {
        let ending = dice.pick(&["jpg", "png", "webp", "gif"]);
        let status = if dice.chance(0.01) { 404 } else { 200 };
        Self { path: format!("/images/{page}/picture-{number}.{ending}"), status }
    }
}

/// Front page, neighbours and some pages anywhere; those of low number, the popular ones, more often.
fn links(page: usize, count: usize, dice: &mut Dice) -> Vec<usize> {
    let near = [0, page.saturating_sub(1), page + 1, page + 2];
    let mut links: Vec<_> = near.into_iter().filter(|link| *link < count && *link != page).collect();
    for _ in 0..dice.between(3, 14) {
        let most = dice.between(1, count);
        links.push(dice.below(most));
    }
    links
}
