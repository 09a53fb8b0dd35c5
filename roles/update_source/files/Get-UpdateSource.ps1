# Says what an update service (WSUS) is set to, as JSON, and changes nothing. Run by ansible.windows.win_powershell, in one call.
# Classifications are said by their GUIDs, which no language changes; products have one title in every language.
param(
    # the articles whose approvals are asked for: ["KB5058411", ...]
    [Parameter(Mandatory)] [string] $Articles
)
$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false
$setup = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Update Services\Server\Setup' -ErrorAction SilentlyContinue
$state = @{
    certificates = @(Get-ChildItem Cert:\LocalMachine\My | Where-Object { $_.HasPrivateKey -and $_.NotAfter -gt (Get-Date) }).Thumbprint
    # the folder is noted once `wsusutil postinstall` has made the database
    content = "$($setup.ContentDir)"
}
if ($state.content) {
    Import-Module WebAdministration
    $wsus = Get-WsusServer
    $configuration, $subscription = $wsus.GetConfiguration(), $wsus.GetSubscription()
    $groups, $rules = $wsus.GetComputerTargetGroups(), @($wsus.GetInstallApprovalRules() | Where-Object Enabled)
    $state += @{
        name = "$($setup.ServerCertificateName)"
        tls = [bool]$setup.UsingSSL
        certificate = "$((Get-WebBinding -Port 8531 -Protocol https).certificateHash)".ToUpper()
        languages = @($configuration.GetEnabledUpdateLanguages())
        upstream = if ($configuration.SyncFromMicrosoftUpdate) { '' } else { "$($configuration.UpstreamWsusServerName):$($configuration.UpstreamWsusServerPortNumber)" }
        targeting = "$($configuration.TargetingMode)"
        products = @($subscription.GetUpdateCategories() | ForEach-Object Title)
        classifications = @($subscription.GetUpdateClassifications() | ForEach-Object { "$($_.Id)" })
        daily_at = if ($subscription.SynchronizeAutomatically) { $subscription.SynchronizeAutomaticallyTimeOfDay.ToString('hh\:mm') } else { '' }
        groups = @($groups | ForEach-Object Name)
        rules = @($rules | ForEach-Object Name)
        automatic = @($rules | ForEach-Object { $_.GetUpdateClassifications() } | ForEach-Object { "$($_.Id)" })
        automatic_for = @($rules | ForEach-Object { $_.GetComputerTargetGroups() } | ForEach-Object Name)
        approvals = @{}
        declined = @()
    }
    foreach ($article in (ConvertFrom-Json $Articles)) {
        $found = @($wsus.SearchUpdates($article) | Where-Object { $_.KnowledgebaseArticles -contains $article.Substring(2) })
        if (-not $found) { continue }
        if (-not @($found | Where-Object { -not $_.IsDeclined })) { $state.declined += $article }
        $ids = @($found | ForEach-Object { $_.GetUpdateApprovals() } | Where-Object { "$($_.Action)" -eq 'Install' }).ComputerTargetGroupId
        $state.approvals[$article] = @($groups | Where-Object { $ids -contains $_.Id } | ForEach-Object Name)
    }
}
ConvertTo-Json $state -Depth 4 -Compress
