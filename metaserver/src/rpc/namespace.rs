//! The service `Namespace`.

use super::Service;
use tonic::{Request, Response, Status, async_trait};
use weir_proto::v1::{self, namespace_server};

#[async_trait]
impl namespace_server::Namespace for Service {
    async fn create_bucket(
        &self,
        request: Request<v1::CreateBucketRequest>,
    ) -> Result<Response<v1::CreateBucketResponse>, Status> {
        Ok(Response::new(self.namespace.create_bucket(request.get_ref()).await?))
    }

    async fn get_bucket(
        &self,
        request: Request<v1::GetBucketRequest>,
    ) -> Result<Response<v1::GetBucketResponse>, Status> {
        Ok(Response::new(self.namespace.get_bucket(request.get_ref()).await?))
    }

    async fn delete_bucket(
        &self,
        request: Request<v1::DeleteBucketRequest>,
    ) -> Result<Response<v1::DeleteBucketResponse>, Status> {
        Ok(Response::new(self.namespace.delete_bucket(request.get_ref()).await?))
    }

    async fn list_buckets(
        &self,
        request: Request<v1::ListBucketsRequest>,
    ) -> Result<Response<v1::ListBucketsResponse>, Status> {
        Ok(Response::new(self.namespace.list_buckets(request.get_ref()).await?))
    }

    async fn commit_object(
        &self,
        request: Request<v1::CommitObjectRequest>,
    ) -> Result<Response<v1::CommitObjectResponse>, Status> {
        Ok(Response::new(self.namespace.commit_object(request.into_inner()).await?))
    }

    async fn get_object(
        &self,
        request: Request<v1::GetObjectRequest>,
    ) -> Result<Response<v1::GetObjectResponse>, Status> {
        Ok(Response::new(self.namespace.get_object(request.get_ref()).await?))
    }

    async fn delete_objects(
        &self,
        request: Request<v1::DeleteObjectsRequest>,
    ) -> Result<Response<v1::DeleteObjectsResponse>, Status> {
        Ok(Response::new(self.namespace.delete_objects(request.get_ref()).await?))
    }

    async fn copy_object(
        &self,
        request: Request<v1::CopyObjectRequest>,
    ) -> Result<Response<v1::CopyObjectResponse>, Status> {
        Ok(Response::new(self.namespace.copy_object(request.get_ref()).await?))
    }

    async fn rename_object(
        &self,
        request: Request<v1::RenameObjectRequest>,
    ) -> Result<Response<v1::RenameObjectResponse>, Status> {
        Ok(Response::new(self.namespace.rename_object(request.get_ref()).await?))
    }

    async fn set_object_acl(
        &self,
        request: Request<v1::SetObjectAclRequest>,
    ) -> Result<Response<v1::SetObjectAclResponse>, Status> {
        Ok(Response::new(self.namespace.set_object_acl(request.get_ref()).await?))
    }

    async fn list_objects(
        &self,
        request: Request<v1::ListObjectsRequest>,
    ) -> Result<Response<v1::ListObjectsResponse>, Status> {
        Ok(Response::new(self.namespace.list_objects(request.get_ref()).await?))
    }

    async fn create_upload(
        &self,
        request: Request<v1::CreateUploadRequest>,
    ) -> Result<Response<v1::CreateUploadResponse>, Status> {
        Ok(Response::new(self.namespace.create_upload(request.get_ref()).await?))
    }

    async fn get_upload(
        &self,
        request: Request<v1::GetUploadRequest>,
    ) -> Result<Response<v1::GetUploadResponse>, Status> {
        Ok(Response::new(self.namespace.get_upload(request.get_ref()).await?))
    }

    async fn commit_part(
        &self,
        request: Request<v1::CommitPartRequest>,
    ) -> Result<Response<v1::CommitPartResponse>, Status> {
        Ok(Response::new(self.namespace.commit_part(request.into_inner()).await?))
    }

    async fn copy_part(&self, request: Request<v1::CopyPartRequest>) -> Result<Response<v1::CopyPartResponse>, Status> {
        Ok(Response::new(self.namespace.copy_part(request.get_ref()).await?))
    }

    async fn complete_upload(
        &self,
        request: Request<v1::CompleteUploadRequest>,
    ) -> Result<Response<v1::CompleteUploadResponse>, Status> {
        Ok(Response::new(self.namespace.complete_upload(request.get_ref()).await?))
    }

    async fn abort_upload(
        &self,
        request: Request<v1::AbortUploadRequest>,
    ) -> Result<Response<v1::AbortUploadResponse>, Status> {
        Ok(Response::new(self.namespace.abort_upload(request.get_ref()).await?))
    }

    async fn list_uploads(
        &self,
        request: Request<v1::ListUploadsRequest>,
    ) -> Result<Response<v1::ListUploadsResponse>, Status> {
        Ok(Response::new(self.namespace.list_uploads(request.get_ref()).await?))
    }

    async fn list_parts(
        &self,
        request: Request<v1::ListPartsRequest>,
    ) -> Result<Response<v1::ListPartsResponse>, Status> {
        Ok(Response::new(self.namespace.list_parts(request.get_ref()).await?))
    }
}
