//! Training in the background: one job at a time, on a thread of its own at the lowest priority, so that decisions do
//! not wait for it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::{ModelsError, Registry, training};
use crate::clock::unix_ms;
use crate::config::TrainConfig;
use crate::store::CheckpointSource;
use crate::training::{Dataset, Progress, Settings, TrainError, train};

/// Jobs that are remembered, the running one too.
const REMEMBERED: usize = 20;

/// So many may follow one job: each holds a connection for as long as it runs.
pub const MOST_FOLLOWERS: usize = 64;

/// Progress within an epoch is told at most so often.
const TELL: Duration = Duration::from_millis(100);

/// How training yields to decisions: the nice value of its thread, the largest there is.
const NICE: i32 = 19;

/// How a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It trains.
    Running,
    /// It ended with a checkpoint.
    Done,
    /// Somebody ended it.
    Cancelled,
    /// It ended without a checkpoint.
    Failed,
}

/// A job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JobView {
    /// Its number, from 1, in this process.
    pub id: u64,
    /// How it is doing.
    pub state: JobState,
    /// When it began, RFC 3339.
    pub started: Option<String>,
    /// Who began it.
    pub by: String,
    /// Its settings.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// Rows it learns from; only the labelled ones until simulated traffic has been made.
    pub rows: usize,
    /// How far it is.
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Progress>,
    /// The checkpoint it made; not promoted.
    pub checkpoint: Option<i64>,
    /// How good that is on held-out clients.
    #[schema(value_type = Option<Object>)]
    pub metrics: Option<serde_json::Value>,
    /// Time of training, seconds.
    pub seconds: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A job as its watchers hold it.
#[derive(Clone)]
pub struct Job {
    id: u64,
    view: watch::Sender<JobView>,
    cancelled: Arc<AtomicBool>,
}

/// The jobs of this process.
#[derive(Default)]
pub struct Jobs {
    jobs: Mutex<VecDeque<Job>>,
    last_id: AtomicU64,
}

/// What a job works on.
pub struct Order {
    /// Labelled rows.
    pub labels: Dataset,
    /// How much simulated traffic is learned from besides.
    pub config: TrainConfig,
    /// The recipe.
    pub settings: Settings,
    /// Who wants it.
    pub by: String,
    /// Anything that helps to tell the checkpoint from others.
    pub note: String,
}

impl Jobs {
    /// Begins a job; `Err` with the running one's number where there is one.
    ///
    /// # Errors
    /// The number of the job that still runs.
    pub fn start(&self, order: Order, registry: Arc<Registry>) -> Result<Job, u64> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running(&jobs) {
            return Err(running.id);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let view = JobView {
            id,
            state: JobState::Running,
            started: super::view::time(unix_ms()),
            by: order.by.clone(),
            settings: training::json(&order.settings),
            rows: order.labels.len(),
            progress: None,
            checkpoint: None,
            metrics: None,
            seconds: None,
            error: None,
        };
        let job = Job { id, view: watch::Sender::new(view), cancelled: Arc::default() };
        let (worker, runtime) = (job.clone(), Handle::current());
        let work = move || worker.run(order, &registry, &runtime);
        if let Err(error) = std::thread::Builder::new().name("train".to_owned()).spawn(work) {
            job.end(JobState::Failed, |view| view.error = Some(format!("no thread: {error}")));
        }
        jobs.push_back(job.clone());
        if jobs.len() > REMEMBERED {
            jobs.pop_front();
        }
        Ok(job)
    }

    /// A job by its number, while it is remembered.
    pub fn get(&self, id: u64) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|job| job.id == id).cloned()
    }

    /// The jobs, newest first.
    pub fn list(&self) -> Vec<JobView> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().map(Job::view).collect()
    }

    /// The number of the one that runs.
    pub fn running(&self) -> Option<u64> {
        running(&self.jobs.lock().unwrap_or_else(PoisonError::into_inner)).map(|job| job.id)
    }

    /// Asks the running job to end.
    pub fn cancel_all(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Job::cancel);
    }
}

impl Job {
    /// How it is doing now.
    pub fn view(&self) -> JobView {
        self.view.borrow().clone()
    }

    /// How it is doing, again and again until it has ended. `None` where [`MOST_FOLLOWERS`] follow it already.
    pub fn follow(&self) -> Option<watch::Receiver<JobView>> {
        if self.view.receiver_count() >= MOST_FOLLOWERS {
            return None;
        }
        let mut receiver = self.view.subscribe();
        receiver.mark_changed();
        Some(receiver)
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> JobView {
        let mut receiver = self.view.subscribe();
        match receiver.wait_for(|view| view.state != JobState::Running).await {
            Ok(view) => view.clone(),
            // `self` holds the sender, so this does not happen.
            Err(_) => self.view(),
        }
    }

    /// Asks it to end; it does so within a step of training.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_running(&self) -> bool {
        self.view.borrow().state == JobState::Running
    }

    /// The whole job, on its thread.
    fn run(&self, order: Order, registry: &Registry, runtime: &Handle) {
        let ended = EndOfThread(self);
        yield_to_decisions();
        let data = match training::with_simulation(order.labels, &order.config, &order.settings) {
            Ok(data) => data,
            Err(error) => return self.end(JobState::Failed, |view| view.error = Some(error.to_string())),
        };
        self.view.send_modify(|view| view.rows = data.len());
        let mut told = Instant::now();
        let trained = train(&data, &order.settings, &mut |progress| {
            if progress.held_out_loss.is_some() || told.elapsed() >= TELL {
                told = Instant::now();
                self.view.send_modify(|view| view.progress = Some(*progress));
            }
            self.go_on()
        });
        let trained = match trained {
            Err(TrainError::Cancelled) => return self.end(JobState::Cancelled, |_| {}),
            Err(error) => return self.end(JobState::Failed, |view| view.error = Some(error.to_string())),
            // Asked in the last moment: who was told that it is cancelled must not find a checkpoint.
            Ok(_) if self.go_on().is_break() => return self.end(JobState::Cancelled, |_| {}),
            Ok(trained) => trained,
        };
        let metrics = Some(training::json(&trained.metrics));
        let seconds = trained.seconds;
        let content = training::content(trained, CheckpointSource::Train, &order.by, &order.note);
        match runtime.block_on(registry.save_candidate(content)) {
            Ok(id) => self.end(JobState::Done, |view| {
                view.checkpoint = Some(id);
                view.metrics = metrics;
                view.seconds = Some(seconds);
            }),
            Err(error) => self.end(JobState::Failed, |view| view.error = Some(not_stored(&error))),
        }
        drop(ended);
    }

    fn go_on(&self) -> ControlFlow<()> {
        match self.cancelled.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn end(&self, state: JobState, with: impl FnOnce(&mut JobView)) {
        self.view.send_modify(|view| {
            with(view);
            view.state = state;
        });
        let view = self.view();
        tracing::info!(
            job = self.id,
            ?state,
            checkpoint = view.checkpoint,
            error = view.error,
            "training ended"
        );
    }
}

fn running(jobs: &VecDeque<Job>) -> Option<&Job> {
    jobs.iter().find(|job| job.is_running())
}

/// After a panic too, nobody must wait for ever, and the next job may begin.
struct EndOfThread<'a>(&'a Job);

impl Drop for EndOfThread<'_> {
    fn drop(&mut self) {
        if self.0.is_running() {
            self.0
                .end(JobState::Failed, |view| view.error = Some("training stopped unexpectedly".to_owned()));
        }
    }
}

fn not_stored(error: &ModelsError) -> String {
    format!("trained, but not stored: {error}")
}

/// Lowers the priority of this thread. On Linux a thread's nice value is its own.
fn yield_to_decisions() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::warn!(%error, "training runs at the usual priority");
    }
}
