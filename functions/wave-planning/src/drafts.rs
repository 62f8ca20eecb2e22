//! Drafts are kept for 90 days; then they and the objects of their previews are removed.

use ims_messaging::{Bucket, PreviewJob};
use ims_runtime::Service;
use ims_store::Draft;
use jiff::Timestamp;

use crate::PlanningError;

/// Removes a campaign's drafts that were kept long enough; how many there were. Their objects go first, so that what dies in
/// between is done again.
pub(crate) async fn remove(service: &Service, campaign: &str, now: Timestamp) -> Result<usize, PlanningError> {
    let old = service.store.drafts_before(campaign, now - Draft::KEPT).await?;
    for draft in &old {
        for key in service.objects.list(Bucket::Work, &PreviewJob::objects(campaign, draft), "").await? {
            service.objects.delete(Bucket::Work, &key).await?;
        }
        service.store.remove_draft(campaign, draft).await?;
        tracing::info!(campaign, draft, "draft removed");
    }
    Ok(old.len())
}
