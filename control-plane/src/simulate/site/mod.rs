//! The sites that are visited: small models of pages, what each page loads, and where it leads.
//!
//! There is one site for each [`Kind`] with each of [`Traits::ALL`], and visitors choose evenly among those of the kinds
//! that they visit: no trait is seen more often than another.

mod kind;
mod traits;

use super::dice::Dice;
use super::purpose::Purpose;

pub(super) use kind::Kind;
pub(super) use traits::{Trait, Traits};

/// One site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) kind: Kind,
    pub(super) traits: &'static Traits,
    pub(super) host: String,
    /// The first is the front page; all are documents.
    pub(super) pages: Vec<Page>,
    /// What every page loads from this host: styles, scripts, fonts, the logo.
    pub(super) shared: Vec<Asset>,
    /// Downloads, by path.
    pub(super) files: Vec<String>,
    /// Paths of calls: its API's, if it has one.
    pub(super) calls: Vec<String>,
    /// The front page's address redirects once, to another host or scheme.
    pub(super) redirects: bool,
    /// Browsers are told where to report what pages did wrong.
    pub(super) wants_reports: bool,
    /// What a wrong password is answered: 401, the form again with 200, or the way back to it.
    pub(super) refuses_with: u16,
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
    pub(super) purpose: Purpose,
}

static TRAITS: [Traits; Traits::ALL.len()] = Traits::ALL;
const DOMAIN: u64 = 1 << 32;

/// The sites of a seed.
pub(super) fn sites(seed: u64) -> Vec<Site> {
    let each = Kind::ALL.into_iter().flat_map(|kind| TRAITS.iter().map(move |traits| (kind, traits)));
    (0..)
        .zip(each)
        .map(|(number, (kind, traits))| Site::new(kind, traits, number, &mut Dice::new(seed, DOMAIN, number)))
        .collect()
}

impl Site {
    fn new(kind: Kind, traits: &'static Traits, number: u64, dice: &mut Dice) -> Self {
        let extent = kind.extent();
        let page_count = dice.between(extent.pages.0, extent.pages.1);
        let shared_count = dice.between(extent.shared.0, extent.shared.1);
        // A broken link to a style, as sites have it.
        let broken = dice.chance(0.3);
        let (fewest, most) = extent.images;
        let mut site = Self {
            kind,
            traits,
            host: format!("www.site-{number}.example"),
            pages: (0..page_count)
                .map(|page| Page {
                    path: kind.path(page),
                    images: (0..dice.between(fewest, most))
                        .map(|image| kind.image(page, image, dice))
                        .collect(),
                    links: links(page, page_count, dice),
                })
                .collect(),
            shared: (0..shared_count).map(|asset| kind.shared(asset)).collect(),
            files: (0..extent.files).map(|file| kind.file(file)).collect(),
            calls: (0..extent.calls).map(|call| kind.call(call)).collect(),
            redirects: dice.chance(0.35),
            wants_reports: dice.chance(0.15),
            refuses_with: *dice.pick(&[401, 401, 200, 302]),
            icon_status: if dice.chance(0.7) { 200 } else { 404 },
        };
        if let (true, Some(style)) = (broken, site.shared.get_mut(1)) {
            style.status = 404;
        }
        site.move_paths();
        site
    }

    /// Puts assets and calls where the site's traits have them.
    fn move_paths(&mut self) {
        if self.has(Trait::Cdn) {
            self.shared.clear();
            self.pages.iter_mut().for_each(|page| page.images.clear());
        }
        if self.has(Trait::Worker) {
            self.calls = (0..self.calls.len()).map(|call| format!("/rpc/items/{call}")).collect();
        }
        if self.has(Trait::Extensionless) {
            for (number, asset) in self.shared.iter_mut().enumerate() {
                asset.path = format!("/bundles/part-{number}");
            }
            for (page, images) in self.pages.iter_mut().map(|page| &mut page.images).enumerate() {
                for (number, image) in images.iter_mut().enumerate() {
                    image.path = match page % 2 {
                        0 => format!("/media/{page}-{number}/large"),
                        _ => format!("/index.php?image={page}-{number}"),
                    };
                }
            }
        }
    }

    pub(super) fn has(&self, one: Trait) -> bool {
        self.traits.contains(one)
    }

    /// The site's origin, as `Origin` names it.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.has(Trait::HttpOnly) { "http" } else { "https" };
        format!("{scheme}://{}", self.host)
    }

    /// The whole address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        self.origin() + path
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
