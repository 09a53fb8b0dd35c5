# Approves updates for rings, takes approvals back and declines; run only where something differs, in one call. No approval has
# a deadline: it would make terminals install and restart by themselves.
param(
    # {"KB5058411": ["canary", "early"], ...}; [] takes it back from every ring
    [Parameter(Mandatory)] [string] $Approvals,
    # ["KB5044284", ...]: nobody is offered it any more
    [Parameter(Mandatory)] [string] $Declined,
    # the groups that are rings; approvals of others are left alone
    [Parameter(Mandatory)] [string] $Rings
)
$ErrorActionPreference = 'Stop'
$wsus = Get-WsusServer
$rings = @($wsus.GetComputerTargetGroups() | Where-Object { $_.Name -in (ConvertFrom-Json $Rings) })
function Find-Update([string] $Article) {
    @($wsus.SearchUpdates($Article) | Where-Object { $_.KnowledgebaseArticles -contains $Article.Substring(2) -and -not $_.IsDeclined })
}
foreach ($article in (ConvertFrom-Json $Approvals).PSObject.Properties) {
    foreach ($update in Find-Update $article.Name) {
        if ($update.RequiresLicenseAgreementAcceptance) { $update.AcceptLicenseAgreement() }
        foreach ($ring in $rings) {
            $has = @($update.GetUpdateApprovals($ring) | Where-Object { "$($_.Action)" -eq 'Install' }).Count -gt 0
            $wants = $article.Value -contains $ring.Name
            if ($has -ne $wants) { $null = $update.Approve($(if ($wants) { 'Install' } else { 'NotApproved' }), $ring) }
        }
    }
}
foreach ($article in (ConvertFrom-Json $Declined)) { Find-Update $article | ForEach-Object { $_.Decline() } }
